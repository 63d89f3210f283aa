"""The files of a folder of the Hugging Face form, each checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Literal

from netwright.errors import InputError, Problem

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
EMBEDDINGS = ("embed_tokens.weight", "word_embeddings.weight", "wte.weight", "shared.weight", "tok_embeddings.weight")


def config(place: Path) -> dict[str, Any]:
    """Return config.json."""
    return _json(place / "config.json")


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(str(file), f"cannot be read: {error}", fix="download the checkpoint again")) from error  # fmt: skip
    if not isinstance(found, dict):
        raise InputError(Problem(str(file), "is no JSON object", fix="download the checkpoint again"))
    return found


def weights(place: Path) -> tuple[Path, ...]:
    """Return the files of the weights. Raises `InputError` where there are none, pickles alone, or shards are missing."""
    index = place / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
        gone = [name for name in names if not (place / name).exists()]
        if gone or not names:
            what = f"{len(gone)} of {len(names)} parts of its weights are missing: {', '.join(gone[:5])}"
            raise InputError(Problem(str(place), what, fix="download them again"))
        return tuple(place / name for name in names)
    whole = place / "model.safetensors"
    if whole.exists():
        return (whole,)
    other = sorted(place.glob("*.safetensors"))
    if len(other) == 1 and not other[0].name.startswith("adapter"):
        return (other[0],)
    if (place / "adapter_config.json").exists() or other and other[0].name.startswith("adapter"):
        what = "contains only an adapter, without its base weights"
        raise InputError(Problem(str(place), what, fix="merge it into its checkpoint first"))
    pickled = sorted(file.name for pattern in PICKLED for file in place.glob(pattern))
    if pickled:
        what = (
            f"stores its weights only as pickles ({', '.join(pickled[:3])}), which can run any code when they are read"
        )
        raise InputError(Problem(str(place), what, allowed="safetensors", fix="use its safetensors files, or convert it if you trust it"))  # fmt: skip
    raise InputError(
        Problem(str(place), "holds no weights", allowed="model.safetensors, or its parts with their index")
    )


def check_sums(place: Path, named: tuple[Path, ...]) -> None:
    """Raise `InputError` where the folder's SHA256SUMS names another content of its weights."""
    sums = place / "SHA256SUMS"
    if not sums.exists():
        return
    told = {}
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.strip().partition(" ")
        told[name.strip().lstrip("*")] = digest.lower()
    for file in named:
        if file.name in told:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            if found != told[file.name]:
                what = f"has the SHA-256 {found[:16]}..., and SHA256SUMS says {told[file.name][:16]}..."
                raise InputError(Problem(str(file), what, fix="download the checkpoint again"))


def tokenizer(place: Path) -> str:
    """Return the tokenizer's JSON: tokenizer.json, or what transformers makes of an older form."""
    file = place / "tokenizer.json"
    if file.exists():
        return _checked(file.read_text(encoding="utf-8"), file)
    try:
        from transformers import AutoTokenizer

        found: Any = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        if len(found) <= len(found.all_special_tokens):  # what transformers makes of no file at all
            raise ValueError("its vocabulary is empty")
        return _checked(found.backend_tokenizer.to_str(), place)
    except (OSError, ValueError, ImportError, AttributeError, KeyError, TypeError) as error:
        what = f"has no tokenizer.json, and none can be made of its other files ({str(error).splitlines()[0][:120]})"
        raise InputError(Problem(str(place), what, allowed="a folder with tokenizer.json")) from error


def _checked(content: str, place: Path) -> str:
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_str(content)
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception
        raise InputError(Problem(str(place), f"its tokenizer cannot be read: {error}", allowed="a tokenizer.json")) from error  # fmt: skip
    found.no_padding()
    found.no_truncation()
    return found.to_str()


def chat_template(place: Path) -> str:
    """Return the chat template (Jinja), or nothing."""
    file = place / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    settings = place / "tokenizer_config.json"
    found = _json(settings).get("chat_template") if settings.exists() else None
    if isinstance(found, list):
        found = next((item["template"] for item in found if item.get("name") == "default"), None)
    return found or ""


def specials(place: Path, config: dict[str, Any]) -> dict[str, str]:
    """Return the names of the tokens that begin, end and pad texts."""
    out: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        found = _json(place / name) if (place / name).exists() else {}
        for short in ("bos", "eos", "pad"):
            value = found.get(f"{short}_token")
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                out.setdefault(short, text)
    return out


def pooling(place: Path) -> Literal["mean", "cls", "last"] | None:
    """Return how the folder itself pools (the sentence-transformers form), or None."""
    file = place / "1_Pooling" / "config.json"
    if not file.exists():
        return None
    found = _json(file)
    for name, said in (("cls", "cls_token"), ("last", "lasttoken"), ("mean", "mean_tokens")):
        if found.get(f"pooling_mode_{said}"):
            return name  # type: ignore[return-value]
    return None


def count(named: tuple[Path, ...]) -> int:
    """Return how many weights files hold, by their headers; 0 where they are of another form."""
    total = 0
    for file in named:
        if file.suffix == ".gguf":
            from gguf import GGUFReader

            total += sum(int(part.n_elements) for part in GGUFReader(file).tensors)
        elif file.suffix == ".safetensors":
            with file.open("rb") as opened:
                header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
            total += sum(math.prod(part["shape"]) for name, part in header.items() if name != "__metadata__")
    return total


def embedding_rows(named: tuple[Path, ...]) -> int | None:
    """Return how many tokens the embedding knows, from the files' headers; None where no name tells."""
    from safetensors import SafetensorError, safe_open

    for file in named:
        try:
            with safe_open(file, "np") as opened:
                for name in opened.keys():  # noqa: SIM118 - no mapping
                    if name.endswith(EMBEDDINGS):
                        return opened.get_slice(name).get_shape()[0]
        except (OSError, SafetensorError) as error:
            fix = "download the checkpoint again"
            raise InputError(Problem(str(file), f"this file is damaged: {error}", fix=fix)) from error
    return None
