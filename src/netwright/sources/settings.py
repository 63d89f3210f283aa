"""How files are read: the part of a recipe that stands under `read`."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ReadSettings(BaseModel):
    """How a source's files are read; each field is the flag `--read.NAME`.

    >>> ReadSettings(delimiter="tab").delimiter
    '\\t'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: str | None = Field(
        default=None,
        description="The character between a CSV file's cells (or `tab`); left out, it is found by looking.",
    )
    encoding: str | None = Field(
        default=None, description="The text's encoding, such as gb18030; left out, UTF-8, or UTF-16 by its mark."
    )
    header: bool = Field(default=True, description="Whether a CSV file's first line holds the columns' names.")
    quotes: bool | None = Field(
        default=None,
        description="Whether quote marks enclose a CSV file's cells; left out, they do, save in tab-separated files "
        "where they plainly do not.",
    )
    bad_rows: Literal["refuse", "leave_out"] = Field(
        default="refuse",
        description="What becomes of a file with rows that cannot be read: it is refused, or they are left out.",
    )
    missing: tuple[str, ...] = Field(
        default=("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?"),
        description="The cell texts of a CSV file that are read as missing, blanks round them aside.",
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}
        value = named.get(value, value) if value else value
        if value is not None and (len(value) != 1 or not value.isascii() or value in '"\r\n'):
            raise ValueError(f"{value!r} is not one plain character, such as , or ; or tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(
                f"there is no encoding {value!r}; there is utf-8, utf-16, gb18030, big5, shift_jis, euc-kr, "
                "cp1252, latin-1 ..."
            ) from error
        return value
