"""Answers rows with model.onnx, without the library that trained it.

    python run.py rows.csv        # or .jsonl: an object a line; answers are printed as JSON, a row a line

Needs onnxruntime and numpy; tokenizers where model.json names a tokenizer; Pillow where images come as files. Use `Model`
from your own program, or read model.json and call ONNX Runtime yourself: it says what each input of the graph is to hold.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

BESIDE = ("counts", "place")  # inputs that another input's reader gives
Row = dict[str, Any]
Feed = dict[str, np.ndarray]

_WIDE = str.maketrans("０１２３４５６７８９．，％￥＋－（）", "0123456789.,%¥+-()")
_TENS = {"千": 1e3, "万": 1e4, "萬": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "億": 1e8}
_PLAIN = re.compile(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)


class Model:
    """A folder with model.onnx and model.json. `threads` 0: as many as there are cores."""

    def __init__(self, folder: str | Path, *, threads: int = 0) -> None:
        self.folder = Path(folder)
        self.about = json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = str(self.folder / "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.outputs = [item["name"] for item in self.about["outputs"]]
        missing = frozenset(self.about["missing"])
        self.readers = [
            (item, READERS[item["form"]](item, missing, self.folder)) for item in self.about["inputs"] if item["form"] not in BESIDE
        ]  # fmt: skip

    def feed(self, rows: list[Row]) -> Feed:
        """Return what the graph is given for these rows. Raises `ValueError` naming the row and column that is wrong."""
        out: Feed = {}
        for item, reader in self.readers:
            name = item["column"]
            try:
                out.update(reader([row[name] for row in rows]))
            except KeyError:
                at = next(at for at, row in enumerate(rows, 1) if name not in row)
                raise ValueError(f"row {at} lacks the column {name!r}") from None
            except Wrong as error:
                raise ValueError(f"row {error.row}, column {name!r}: {error.what}") from None
        return out

    def arrays(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Return the graph's outputs for these rows, by name."""
        return self.run(self.feed(rows))

    def run(self, feed: Feed) -> dict[str, np.ndarray]:
        """Return the graph's outputs for a feed."""
        found: Any = self.session.run(self.outputs, feed)
        return dict(zip(self.outputs, found, strict=True))

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Return an answer for each row, of plain Python values."""
        feed = self.feed(rows)
        found = self.run(feed)
        columns: dict[str, list[Any]] = {}
        for item in self.about["outputs"]:
            values = found[item["name"]].tolist()
            if "words_of" in item:  # behind a row's last word there is nothing
                ends = feed[f"{item['words_of']}.word"].max(1) + 1
                values = [row[:end] for row, end in zip(values, ends, strict=True)]
            elif item["name"].endswith("_start") and "piece_of" in item:
                texts = [_text(row[item["piece_of"]]) for row in rows]
                ends = found[item["name"].removesuffix("start") + "end"].tolist()
                pieces = [
                    text[start:end] if start >= 0 else None
                    for text, start, end in zip(texts, values, ends, strict=True)
                ]
                columns[item["name"].removesuffix("start") + "predicted"] = pieces
            elif "columns" in item and item["type"] == "bool":
                values = [[name for name, held in zip(item["columns"], row, strict=True) if held] for row in values]
            elif "columns" in item:
                values = [dict(zip(item["columns"], row, strict=True)) for row in values]
            columns[item["name"]] = values
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Wrong(Exception):
    """A value that cannot be read, of a row counted from 1."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(what)
        self.row, self.what = row, what


class Numbers:
    """float64, NaN where missing, of numbers and of texts such as 1,234.5, 65% or 3.2万, with a decimal comma or a unit where
    training had them; a column of categories that were numbers or booleans likewise."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.missing = item["name"], missing
        self.comma, self.unit = item.get("comma", False), item.get("unit", "")

    def __call__(self, values: list[Any]) -> Feed:
        if not any(isinstance(value, str) for value in values):
            try:
                return {self.name: np.array(values, np.float64)}  # None becomes NaN
            except (TypeError, ValueError):
                pass  # it is now looked which
        return {self.name: np.array([self._one(at, value) for at, value in enumerate(values, 1)], np.float64)}

    def _one(self, row: int, value: Any) -> float:
        if value is None or (isinstance(value, str) and value.strip() in self.missing):
            return np.nan
        try:
            return self._read(value.strip()) if isinstance(value, str) else float(value)
        except (TypeError, ValueError):
            raise Wrong(row, f"{value!r} is no number") from None

    def _read(self, text: str) -> float:
        """A number as people write it; 65% is 65. Raises `ValueError`."""
        if text.lower() in ("true", "false"):
            return float(text.lower() == "true")
        if not self.comma and _PLAIN.fullmatch(text):
            return float(text)
        bare = text.removesuffix(self.unit).strip().translate(_WIDE).strip()
        bare = re.sub(r"^\((.*)\)$", r"-\1", bare)
        bare = re.sub(r"^([-+]?)\s*[$€£¥₹]\s*|\s*[$€£¥₹%元円]$", r"\1", bare).strip()
        tens = re.search(r"(?<=\d)\s*(百万|千万|[千万萬亿億])$", bare)
        bare = bare[: tens.start()] if tens else bare
        thousands, decimal = (r"[.\u00a0\u202f' ]", ",") if self.comma else (r"[,\u00a0\u202f' ]", r"\.")
        if re.fullmatch(rf"[-+]?\d{{1,3}}({thousands}\d{{3}})+({decimal}\d+)?", bare):
            bare = re.sub(thousands, "", bare)
        bare = bare.replace(",", ".", 1) if self.comma else bare
        if not _PLAIN.fullmatch(bare):
            raise ValueError(text)
        return float(bare) * (_TENS[tens[1]] if tens else 1)


class Names:
    """Texts without blanks round them, empty where missing."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.missing = item["name"], missing

    def __call__(self, values: list[Any]) -> Feed:
        return {self.name: np.array([self._one(value) for value in values], object)}

    def _one(self, value: Any) -> str:
        text = "" if value is None else value if isinstance(value, str) else _written(value)
        text = text.strip()
        return "" if text in self.missing else text


class Dates:
    """Seconds since 1970 as float64, NaN where missing, of dates and of texts, in the one of `layouts` that reads most of
    them, of like ones the first."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.missing = item["name"], missing
        self.layouts, self.utc = item["layouts"], item["utc"]

    def __call__(self, values: list[Any]) -> Feed:
        bare = [self._bare(value) for value in values]
        layout = self._layout([text for text, _ in bare if text])
        return {self.name: np.array([self._one(at, value, *each, layout) for at, (value, each) in enumerate(zip(values, bare, strict=True), 1)], np.float64)}  # fmt: skip

    def _bare(self, value: Any) -> tuple[str, float]:
        """A text without the offset from UTC behind its time, and how many seconds are to be taken off."""
        if not isinstance(value, str) or value.strip() in self.missing:
            return "", 0.0
        text = value.strip()
        found = re.search(r"Z$|(?<=:\d\d)(\.\d+)?\s*([+-])(\d\d):?(\d\d)$", text)
        if not found:
            return text, 0.0
        ahead = 3600 * int(found[3]) + 60 * int(found[4]) if found[2] else 0
        return text[: found.start()] + (found[1] or ""), float(-ahead if found[2] == "-" else ahead) * self.utc

    def _layout(self, texts: list[str]) -> str:
        best, most = self.layouts[0], -1
        for layout in self.layouts:
            read = sum(_moment(text, layout) is not None for text in texts)
            if read > most:
                best, most = layout, read
            if most == len(texts):
                break
        return best

    def _one(self, row: int, value: Any, text: str, ahead: float, layout: str) -> float:
        if text:
            found = _moment(text, layout)
            if found is None:
                example = datetime(2024, 12, 31, 12, 30).strftime(layout.removesuffix("%.f"))
                raise Wrong(row, f"{value!r} is no date such as {example}")
            moment = np.datetime64(found, "us")
        elif value is None or isinstance(value, str):
            return np.nan
        else:
            moment = np.datetime64(value.replace(tzinfo=None) if isinstance(value, datetime) else value, "us")
        return np.nan if np.isnat(moment) else int(moment.astype(np.int64)) / 1e6 - ahead


class Labels:
    """Several texts a row, from a list or parted by a separator; empty texts fill the shorter rows."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.missing, self.separator = item["name"], missing, item["separator"]

    def __call__(self, values: list[Any]) -> Feed:
        rows = [self._one(value) for value in values]
        out = np.full((len(rows), max(map(len, rows), default=0) or 1), "", object)
        for at, row in enumerate(rows):
            out[at, : len(row)] = row
        return {self.name: out}

    def _one(self, value: Any) -> list[str]:
        if isinstance(value, str):
            return [] if value.strip() in self.missing else [part.strip() for part in value.split(self.separator)]
        return [] if value is None else [str(part) for part in value]


class Images:
    """uint8 pixels (height, width, channels) of arrays, or of files and their bytes (by Pillow)."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.shape = item["name"], tuple(item["shape"][1:])

    def __call__(self, values: list[Any]) -> Feed:
        return {self.name: np.stack([self._one(at, value) for at, value in enumerate(values, 1)])}

    def _one(self, row: int, value: Any) -> np.ndarray:
        pixels = _opened(row, value) if isinstance(value, str | bytes | Path | dict) else np.asarray(value)
        if pixels.dtype != np.uint8 and not np.array_equal(pixels, pixels.clip(0, 255).round()):
            raise Wrong(row, "its pixels are not whole numbers from 0 to 255")
        pixels = pixels.astype(np.uint8)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        return pixels if pixels.shape == self.shape else self._sized(pixels)

    def _sized(self, pixels: np.ndarray) -> np.ndarray:
        from PIL import Image

        height, wide, channels = self.shape
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        picture = picture.convert("L" if channels == 1 else "RGB") if pixels.shape[2] != channels else picture
        if pixels.shape[:2] != (height, wide):
            way = Image.Resampling.BOX if pixels.shape[0] > height else Image.Resampling.BILINEAR
            picture = picture.resize((wide, height), way)
        out = np.asarray(picture)
        return out[..., None] if out.ndim == 2 else out


class Tokens:
    """A text's token numbers, int64, cut at a length, with -1 behind its end."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        from tokenizers import Tokenizer

        self.name, self.length = item["name"], item["length"]
        self.tokenizer = Tokenizer.from_file(str(folder / item["tokenizer"]))

    def __call__(self, values: list[Any]) -> Feed:
        found = self.tokenizer.encode_batch([_text(value) for value in values], add_special_tokens=False)
        return {self.name: _padded([each.ids[: self.length] for each in found], -1)}


class Placed(Tokens):
    """Token numbers of a text whose words are parted by blanks, or given as a list; and the word and the characters that each
    token is of, where they are asked for. Texts that do not fit are refused: nothing is cut."""

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        super().__init__(item, missing, folder)
        self.unknown, self.places = item["unknown"], item["places"]

    def __call__(self, values: list[Any]) -> Feed:
        rows = self.rows(values)
        for at, row in enumerate(rows, 1):
            if row.shape[1] > self.length:
                what = f"its {row.shape[1]} tokens do not fit: the graph reads {self.length} at once, so part it into several rows"
                raise Wrong(at, what)
        out = {self.name: _padded([row[0].tolist() for row in rows], -1)}
        for place, number in (("word", 1), ("begin", 2), ("end", 3)):
            if place in self.places:
                out[f"{self.name}.{place}"] = _padded([row[number].tolist() for row in rows], -1)
        return out

    def rows(self, values: list[Any]) -> list[np.ndarray]:
        """(4, T) of each text: tokens, their words, first characters and those behind the last."""
        parted = [_parted(value) for value in values]
        found = self.tokenizer.encode_batch(
            [words for words, _ in parted], is_pretokenized=True, add_special_tokens=False
        )
        return [self._row(words, begins, each) for (words, begins), each in zip(parted, found, strict=True)]

    def _row(self, words: list[str], begins: list[int], found: Any) -> np.ndarray:
        ids, word = np.array(found.ids, np.int64), np.array(found.word_ids, np.int64)
        ends = np.array(found.offsets, np.int64).reshape(-1, 2)
        bare = np.setdiff1d(np.arange(len(words)), word)
        if len(bare):  # words that the tokenizer makes nothing of
            at = np.searchsorted(word, bare)
            ids, word, ends = (
                np.insert(ids, at, self.unknown),
                np.insert(word, at, bare),
                np.insert(ends, at, 0, axis=0),
            )
        if not len(ids):
            return np.zeros((4, 0), np.int64)
        first = np.append(True, word[1:] != word[:-1])
        last = np.append(first[1:], True)
        begin = np.where(first, 0, ends[:, 0])
        lengths = np.array([len(each) for each in words], np.int64)
        end = np.where(last, lengths[word], np.maximum(ends[:, 1], np.append(begin[1:], 0)))
        start = np.array(begins, np.int64)[word]
        return np.stack([ids, word, start + begin, start + end])


class Grams:
    """A text's hashed n-grams and how often each stands in it.

    Words and pairs of them go to the first half of the buckets, one to four characters of a word to the second; the bucket
    is MurmurHash3 of the n-gram's UTF-8, as in scikit-learn's HashingVectorizer.
    """

    def __init__(self, item: Row, missing: frozenset[str], folder: Path) -> None:
        self.name, self.half, self.lowercase = item["name"], item["buckets"] // 2, item["lowercase"]
        self.pattern = re.compile(item["pattern"])
        self.known: dict[str, int] = {}

    def __call__(self, values: list[Any]) -> Feed:
        bags = [self._bag(_text(value)) for value in values]
        ids = _padded([list(bag) for bag in bags], -1)
        return {self.name: ids, f"{self.name}.counts": _padded([list(bag.values()) for bag in bags], 0)}

    def _bag(self, text: str) -> Counter[int]:
        text = text.lower() if self.lowercase else text
        words = self.pattern.findall(text)
        bag = Counter(
            self._bucket(gram) for gram in [*words, *(f"{a} {b}" for a, b in zip(words, words[1:], strict=False))]
        )
        bag.update(self.half + self._bucket(gram) for gram in _letters(text))
        return bag

    def _bucket(self, gram: str) -> int:
        found = self.known.get(gram)
        if found is None:
            found = abs(murmur(gram.encode())) % self.half
            if len(self.known) < 100_000:
                self.known[gram] = found
        return found


READERS: dict[str, Callable[[Row, frozenset[str], Path], Callable[[list[Any]], Feed]]] = {
    "number": Numbers, "category": lambda item, missing, folder: (Names if item["type"] == "string" else Numbers)(item, missing, folder),
    "date": Dates, "labels": Labels, "image": Images, "grams": Grams,
    "tokens": lambda item, missing, folder: (Placed if item["windows"] else Tokens)(item, missing, folder),
}  # fmt: skip


def murmur(data: bytes) -> int:
    """MurmurHash3, 32 bits, seed 0, as a signed number (Austin Appleby, public domain)."""
    found, whole = 0, len(data) // 4 * 4
    for at in range(0, whole, 4):
        found ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        found = (_turned(found, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    found ^= _mixed(int.from_bytes(data[whole:], "little")) ^ len(data)
    for shift, times in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        found = ((found ^ found >> shift) * times) & 0xFFFFFFFF
    found ^= found >> 16
    return found - (1 << 32) if found >> 31 else found


def _mixed(block: int) -> int:
    return _turned(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF


def _letters(text: str) -> Iterator[str]:
    """One to four characters within each word, blanks round it; a short word is counted once."""
    for word in text.split():
        word = f" {word} "
        for size in range(1, 5):
            for at in range(max(len(word) - size, 0) + 1):
                yield word[at : at + size]
            if size >= len(word):
                break


def _moment(text: str, layout: str) -> datetime | None:
    """The moment that a text means in a layout such as %d.%m.%Y; %.f is a fraction of a second that may lack."""
    if layout.endswith("%.f"):
        text, point, fraction = text.partition(".")
        layout = layout.removesuffix("%.f") + (".%f" if point else "")
        text += point + fraction[:6]
    try:
        found = datetime.strptime(text, layout)
    except ValueError:
        return None
    return found.replace(year=2069) if "%y" in layout and found.year == 1969 else found  # as chrono reads it


def _padded(rows: list[list[int]], filler: int) -> np.ndarray:
    out = np.full((len(rows), max(map(len, rows), default=0) or 1), filler, np.int64)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


def _parted(value: Any) -> tuple[list[str], list[int]]:
    """The words of a text, or of a list of them, and the character at which each begins."""
    if isinstance(value, list | tuple):
        words = ["" if word is None else str(word) for word in value]
        begins = [sum(len(word) + 1 for word in words[:at]) for at in range(len(words))]
        return words, begins
    found = list(re.finditer(r"\S+", "" if value is None else str(value)))
    return [match[0] for match in found], [match.start() for match in found]


def _text(value: Any) -> str:
    """A text; a list of words is joined by blanks."""
    if isinstance(value, list | tuple):
        return " ".join("" if word is None else str(word) for word in value)
    return "" if value is None else str(value)


def _written(value: Any) -> str:
    """1, 1.0 and "1" are one category."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _opened(row: int, value: Any) -> np.ndarray:
    import io

    from PIL import Image, ImageOps

    value = (value.get("bytes") or value.get("path")) if isinstance(value, dict) else value
    try:
        with Image.open(io.BytesIO(value) if isinstance(value, bytes) else value) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # 16 bits
                return (np.asarray(upright).clip(0, 65_535) // 257).astype(np.uint8)
            mode = "L" if upright.mode in ("1", "L", "LA") else "RGB"
            if upright.has_transparency_data:  # as it looks on white paper
                seen = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
            return np.asarray(upright.convert(mode))
    except OSError as error:
        raise Wrong(row, f"cannot be opened as an image: {error}") from None


def read(path: Path) -> Iterable[Row]:
    """Yield the rows of a CSV file, or of JSON lines."""
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.DictReader(file)
        return
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def main() -> int:
    """Answer the rows of a file."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        model, rows = Model(Path(__file__).parent), list(read(Path(sys.argv[1])))
        for at in range(0, len(rows), 1024):
            for answer in model(rows[at : at + 1024]):
                print(json.dumps(answer, ensure_ascii=False))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
