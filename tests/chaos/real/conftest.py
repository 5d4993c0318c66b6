import pathlib
import sys

# The harness of the pipeline tests: stack.py, bus_view.py, tiny_model.py, workspaces.py.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
