"""Masking: the names of the linked page are hidden in the page that links to it, and nothing else is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_negaposi.pair_generation.masking import MASK, mask_links
from keras_negaposi.readers.document import Link
from tests.helpers.properties import bounded


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        # words between spaces, and their digits
        ("Go", "GoogleのDjangoとGo言語、go。Go 2とGo2とCgo、Go's", "GoogleのDjangoと〓言語、〓。〓 2とGo2とCgo、〓's"),
        ("AI", "mailで届いたAIをmaintain。AI時代の生成AI、AI2", "mailで届いた〓をmaintain。〓時代の生成〓、AI2"),
        ("Go言語", "Django言語とGo言語とgo言語仕様", "Django言語と〓と〓仕様"),
        ("2020", "12020と2020年と2020", "12020と〓年と〓"),
        ("C++", "C++17とC+と(c++)", "〓17とC+と(〓)"),
        ("Garden B", "garden_bとGarden  BとgardenB", "〓と〓とgardenB"),
        ("Дом", "домаとдом", "домаと〓"),
        # katakana: word boundaries as for letters
        ("スト", "テストとスト、ストア、スト中", "テストと〓、ストア、〓中"),
        ("データ", "データベースのデータ型。ビッグ・データ", "データベースの〓型。ビッグ・〓"),
        # kanji: written without spaces, usually in words of two
        ("京都", "東京都と京都と京都市へ", "東京都と〓と〓市へ"),
        ("庭園", "日本庭園と庭園史、日本庭園学会", "日本〓と〓史、日本〓学会"),
        ("出力", "入出力と出力。再出力", "入出力と〓。再出力"),
        ("東京", "2020年東京大会の東京", "2020年〓大会の〓"),
        ("石庭", "石庭は石庭。枯山水石庭", "〓は〓。枯山水石庭"),
        # hiragana: no word boundaries; two characters are a word only if they stand alone
        ("りんご", "あのりんごをりんごと", "あの〓を〓と"),
        ("こと", "ことりのこと。琴はこと", "ことりのこと。琴はこと"),
        ("うみ", "海（うみ）と「うみ」", "海（〓）と「〓」"),
        # width, case and Unicode form
        ("ガーデン", "ｶﾞｰﾃﾞﾝとカ\u3099ーテ\u3099ンの話", "〓と〓の話"),
        ("ガーデン".replace("ガ", "カ\u3099"), "ガーデンの話", "〓の話"),
        ("Garden", "ＧＡＲＤＥＮとGarden", "〓と〓"),
        ("株式会社", "㍿とは株式会社", "〓とは〓"),
        ("Straße", "STRASSEとstraße", "〓と〓"),
        ("Café", "Cafe\u0301とcafé、cafe", "〓と〓、cafe"),
        ("か\u3099", "がのが", "がのが"),  # one character
        ("", "庭", "庭"),
        (" _ ", "庭 _ 石", "庭 _ 石"),
    ],
)
def test_a_name_is_masked_where_it_is_a_word(name, text, masked):
    assert mask_links(text, [], [name]) == masked


def test_overlapping_links_and_adjacent_names_are_masked():
    text = "ｶﾞの前のこちら、石庭と石庭園"
    links = [Link(5, 8, "石庭"), Link(9, 11, "石庭"), Link(10, 11, "庭")]
    assert mask_links(text, links, ["石庭園", "石庭"]) == f"ｶﾞの前の{MASK}、{MASK}と{MASK}"
    assert mask_links("東京大阪", [], ["東京", "大阪", "東"]) == MASK * 2


ALPHABET = "aAgo 1_　庭園東京都テストスーがかｶﾞ\u3099\u0301ß㍿。〓-"


@bounded
@given(st.text(ALPHABET, max_size=60), st.lists(st.text(ALPHABET, max_size=6), max_size=3))
def test_property_only_names_are_masked(text, names):
    masked = mask_links(text, [], names)
    position = 0
    for part in masked.replace(MASK, "\0").split("\0"):  # the remaining parts keep their order
        found = text.replace(MASK, "\0").find(part, position)
        assert found >= 0
        position = found + len(part)
    if not any(names):
        assert masked == text
    again = mask_links(unicodedata.normalize("NFC", text), [], names)
    assert again.count(MASK) == masked.count(MASK)
