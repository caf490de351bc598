"""The JSON that clients send and get. FastAPI checks it, and describes it at /openapi.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from keras_negaposi.server.requests import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_CONTEXT,
    MOST_PAIRS,
    MOST_SUGGESTIONS,
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TITLE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SuggestRequest(_Strict):
    """A, and how many pages are wanted."""

    text: Text | None = Field(None, description="A, any text")
    title: Title | None = Field(None, description="A, a page or a note of the index, instead of a text")
    context: list[Title] = Field([], max_length=MOST_CONTEXT, description="titles of the pages and notes before A")
    top: int = Field(10, ge=1, le=MOST_SUGGESTIONS, description="number of suggestions")
    rerank: int = Field(0, ge=0, le=MOST_SUGGESTIONS, description="number of best pages that the reranker sorts")
    one_per_note: bool = Field(False, description="only the best page of each note, and none of A's own note")
    hide_decided: bool = Field(True, description="leave out pages that were accepted or rejected for this title")

    @model_validator(mode="after")
    def _one_of_two(self) -> SuggestRequest:
        if (self.text is None) == (self.title is None):
            raise ValueError("give either text or title")
        return self


class Suggested(BaseModel):
    """A page that may come next."""

    title: str
    note: str = Field(description="the document that the page belongs to")
    text: str
    score: float
    scrapbox: str = Field(description="a link to the note in Scrapbox notation")


class SuggestAnswer(BaseModel):
    """Suggestions, the best first."""

    suggestions: list[Suggested]
    probabilities: bool = Field(description="whether scores are probabilities that B comes next")
    threshold: float = Field(description="B is predicted to come next where the score is above it")


class PairRequest(_Strict):
    """A and B, each as a text or as the title of a page."""

    text_a: Text | None = None
    title_a: Title | None = None
    text_b: Text | None = None
    title_b: Title | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> PairRequest:
        if (self.text_a is None) == (self.title_a is None) or (self.text_b is None) == (self.title_b is None):
            raise ValueError("give either text_a or title_a, and either text_b or title_b")
        return self


class PredictRequest(_Strict):
    """Pairs to score."""

    pairs: list[PairRequest] = Field(min_length=1, max_length=MOST_PAIRS)


class Prediction(BaseModel):
    """The score of a pair, and 1 if B is predicted to come next."""

    score: float
    label: int


class PredictAnswer(BaseModel):
    """The predictions, in the order of the pairs."""

    predictions: list[Prediction]
    probabilities: bool


class Match(BaseModel):
    """A token of A, empty where all of A is one query; a token of B; and their cosine, or the attention weight."""

    a: str
    b: str
    weight: float


class MatchesAnswer(BaseModel):
    """The tokens that the model has matched, the strongest first; none if its head does not compare tokens."""

    matches: list[Match]


class FoundPage(BaseModel):
    """A page of the index."""

    title: str
    text: str


class PagesAnswer(BaseModel):
    """Some pages, and how many there are in all."""

    total: int
    pages: list[FoundPage]


class Kept(BaseModel):
    """How many decisions were kept."""

    kept: int


class Health(BaseModel):
    """The state of the server."""

    status: str
    pages: int
    suggested: int = Field(description="pages whose links are known for the page at /")
    note: str = Field(description="how pages are ranked")


class Problem(BaseModel):
    """Why a request was refused."""

    error: str
