// What the page says, in English and Chinese.
const WORDS = {
  en: {
    skip: "To the form", model: "Model", docs: "API", theme: "Light / dark", other_language: "中文",
    answer: "Answer", ask: "Answer", examples: "Examples", example: "Example", hard: "rows with the largest errors",
    empty: "Fill in the form, or take an example.", unknown: "not known", training: "training", outside: "outside the training range",
    drop: "Drop an image here, or click to choose one", draw: "or draw it", clear: "Clear", invert: "Invert", several: "several may be chosen",
    truth: "Truth:", set: "With {0} confidence one of", interval: "{0} of such intervals contain the truth", scores: "Scores", measured: "On {0} that it was not trained on",
    test: "test rows", validation: "validation rows", metric: "Metric", value: "This model", baseline: "Best simple baseline",
    limits: "Keep in mind", limit_rows: "Trained on about {0} rows; rows that are unlike them get unreliable answers.",
    limit_range: "Outside the training ranges, answers are extrapolations.", limit_calibrated: "Probabilities are estimates; the scores show how often the model is right.",
    limit_text: "It generates what is probable, not what is true.", limit_served: "A request may have at most {0} rows and {1} MB, and take {2} s.",
    program: "From a program", copy: "Copy", copied: "Copied", version: "Version", made: "Made with", family: "Network",
    say: "Say something", send: "Send", stop: "Stop", again: "New conversation", write: "Write", prompt: "Prompt",
    temperature: "Temperature", tokens: "Maximum tokens", key_asked: "A key is needed", key_why: "This server requires an API key. The key stays in this tab.",
    key_go: "Go on", offline: "The server does not answer.", from: "from {0}", title: "{0}", chat: "Conversation with {0}", writes: "Text generation with {0}",
    none: "none", no_answer: "no answer in the text",
  },
  zh: {
    skip: "转到表单", model: "模型", docs: "接口", theme: "浅色 / 深色", other_language: "English",
    answer: "答案", ask: "作答", examples: "示例", example: "示例", hard: "模型觉得难的行",
    empty: "填写表单，或点一个示例。", unknown: "未知", training: "训练范围", outside: "超出训练时见过的范围",
    drop: "把图片拖到这里，或点击选择", draw: "也可以手绘", clear: "清除", invert: "反色", several: "可多选",
    truth: "真实值：", set: "有 {0} 的把握属于", interval: "这样的区间有 {0} 包含真值", scores: "模型有多好", measured: "在学习时从未见过的{0}上测得",
    test: "测试行", validation: "验证行", metric: "指标", value: "本模型", baseline: "最好的简单基线",
    limits: "请注意", limit_rows: "它大约学习了 {0} 行数据；对不相似的数据一无所知。",
    limit_range: "超出训练范围时，答案只是猜测。", limit_calibrated: "概率是模型的信念；它有多常正确，请看分数。",
    limit_text: "它写的是可能的，而不一定是真的。", limit_served: "一次请求最多 {0} 行、{1} MB、{2} 秒。",
    program: "用程序调用", copy: "复制", copied: "已复制", version: "版本", made: "由此生成", family: "网络",
    say: "说点什么", send: "发送", stop: "停止", again: "新对话", write: "续写", prompt: "一段文字的开头",
    temperature: "随机度", tokens: "最多词元", key_asked: "需要密钥", key_why: "此服务器只回答持有密钥的人。密钥只留在本标签页。",
    key_go: "继续", offline: "服务器没有回应。", from: "依据 {0}", title: "{0}", chat: "与 {0} 对话", writes: "{0} 续写文字",
    none: "无", no_answer: "文中没有答案",
  },
};

export const state = { language: localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en") };

export function say(name, ...parts) {
  const text = WORDS[state.language][name] ?? name;
  return text.replace(/\{(\d)\}/g, (_, place) => parts[place]);
}

export function settle(again) {
  const language = document.getElementById("language"), theme = document.getElementById("theme");
  const show = () => {
    document.documentElement.lang = state.language;
    for (const each of document.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
    language.textContent = say("other_language");
    theme.textContent = "◐";
    theme.title = say("theme");
    theme.setAttribute("aria-label", say("theme"));
  };
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  language.onclick = () => {
    state.language = state.language === "en" ? "zh" : "en";
    localStorage.setItem("language", state.language);
    show();
    again();
  };
  theme.onclick = () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", dark ? "light" : "dark");
  };
  show();
}
