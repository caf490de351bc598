"""Tests of HTML pages that contain texts of other people."""

import json
import sys

import jinja2
import pytest
from markupsafe import Markup

from keras_negaposi.runtime.html import render

TEMPLATE = """<h1>{{ title }}</h1>
{% if count %}
<p>{{ count }} {{ plot }}</p>
{% endif %}
<script type="application/json">{{ data|tojson }}</script>
"""
HOSTILE = '</script><img src=x onerror="alert(1)">&\u202e\ud800'


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "some_pages").mkdir()
    (tmp_path / "some_pages" / "__init__.py").touch()
    (tmp_path / "some_pages" / "page.html").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_pages"
    sys.modules.pop("some_pages", None)


def test_fills_in_a_template_of_a_package(package):
    page = render(package, "page.html", title="ねこ", count=2, plot=Markup("<svg/>"), data={"b": 1, "a": "いぬ"})
    assert page == ('<h1>ねこ</h1>\n<p>2 <svg/></p>\n<script type="application/json">{"b":1,"a":"いぬ"}</script>\n')


def test_texts_of_other_people_stay_text(package):
    page = render(package, "page.html", title=HOSTILE, count=0, data=[HOSTILE[:-1]])
    heading, script = page.splitlines()
    assert heading == "<h1>&lt;/script&gt;&lt;img src=x onerror=&#34;alert(1)&#34;&gt;&amp;[U+202E][U+D800]</h1>"
    content = script.removeprefix('<script type="application/json">').removesuffix("</script>")
    assert "<" not in content
    assert json.loads(content) == [HOSTILE[:-1]]


def test_a_missing_variable_is_an_error(package):
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render(package, "page.html", count=0, data=[])
