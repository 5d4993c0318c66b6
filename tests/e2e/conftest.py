import pathlib
import shutil
import tempfile

import pytest

from stack import FileHost, Stack
from tiny_model import write_tiny_model
from workspaces import REPOSITORY, write_conversations


@pytest.fixture(scope="session")
def world():
    """What the hosts outside serve: the tiny model and the training data."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-world-"))
    write_tiny_model(folder / "models" / REPOSITORY)
    write_conversations(folder / "data/train.parquet")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def file_host(world):
    host = FileHost(world)
    yield host
    host.close()


@pytest.fixture
def stack(file_host):
    home = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-stack-"))
    running = Stack(home, file_host)
    running.up()
    yield running
    running.down()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def module_stack(world):
    """One stack for all tests of a file: they use names of their own."""
    host = FileHost(world)
    home = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-stack-"))
    running = Stack(home, host)
    running.up()
    yield running
    running.down()
    host.close()
    shutil.rmtree(home)
