import shutil

import pytest

from keras_negaposi.config import IndexConfig, ServeConfig


@pytest.fixture(scope="session")
def lexical_index(tiny, tmp_path_factory):
    """An index without a run; the tests do not change it."""
    from keras_negaposi.retrieval import build_index

    folder = tmp_path_factory.mktemp("server") / "index"
    build_index(None, IndexConfig(honbun=tiny.flags["honbun"], output=str(folder)))
    return folder


@pytest.fixture
def index_copy(lexical_index, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(lexical_index, tmp_path / "index")


@pytest.fixture
def client(index_copy):
    """Returns a function that starts a server in this process and returns its client; all end with the test."""
    from starlette.testclient import TestClient

    from keras_negaposi.server.api import make_app
    from keras_negaposi.server.service import Service

    services = []

    def start(token="", host="localhost", **options):
        config = ServeConfig(**{"rate": 0, "all_pages": False} | options)
        services.append(Service(str(index_copy), config))
        app = make_app(services[-1], config, token)
        return TestClient(app, base_url=f"http://{host}", raise_server_exceptions=False)

    start.services = services
    yield start
    for service in services:
        service.close()
