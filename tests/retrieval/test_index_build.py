"""An index of texts in memory."""

import gc
import os

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.retrieval import Index


def test_the_titles_of_a_list_are_the_positions(corpus):
    texts = list(corpus.values())
    found = Index.build(None, texts).suggest(texts[3], top=5)
    assert len(found) == 5
    assert all(suggestion.text == texts[int(suggestion.title)] for suggestion in found)


def test_the_text_itself_is_never_suggested():
    texts = {"一": "りんごを買う。", "二": "りんごを買う。", "三": "りんごを洗う。", "四": "りんごを見る。"}
    index = Index.build(None, texts)
    assert sorted(suggestion.title for suggestion in index.suggest("りんごを買う。")) == ["三", "四"]
    assert [suggestion.title for suggestion in index.suggest(["りんごを見る。", "りんごを買う。"])] == ["三"]
    assert [suggestion.title for suggestion in index.suggest("りんごを買う。", 1, ["三"])] == ["四"]


def test_pages_of_a_mapping_rank_as_those_of_a_file(tiny, corpus, tmp_path):
    from keras_negaposi.index import main

    assert main(["--honbun", tiny.flags["honbun"], "--output", str(tmp_path / "file")]) == 0
    query = "りんごを見る。"
    built = Index.build(None, corpus, str(tmp_path / "memory"))
    assert built.suggest(query) == Index(str(tmp_path / "file")).suggest(query)
    assert Index(str(tmp_path / "memory")).suggest(query) == built.suggest(query)


def test_a_temporary_index_is_removed_with_the_object():
    index = Index.build(None, ["りんご", "みかん"])
    path = str(index.store.path)
    assert os.path.isdir(path)
    del index
    gc.collect()
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("本文", "one string"),
        ([], "there are none"),
        (["本文", None], 'the text of page "1" must be a string, not None'),
        ({1: "本文"}, "the title of page 1 must be a string"),
        ({"題": "\ud800"}, "half a surrogate"),
    ],
)
def test_texts_that_cannot_be_used(texts, message):
    with pytest.raises(InputError, match=message) as caught:
        Index.build(None, texts)
    assert "\n" not in str(caught.value)
