"""model.py: self-contained, readable, exactly the network; and train.py beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from plugnas.nas.export import ExportError, Options, deliver, model_py, source
from tests.nas.export import subjects

# What `pip install torch` brings; everything else in site-packages is not on the path.
_TORCH_ALONE = (
    "torch", "torchgen", "functorch", "numpy", "numpy.libs", "sympy", "mpmath", "networkx",
    "jinja2", "markupsafe", "filelock", "fsspec", "typing_extensions.py", "nvidia", "triton",
    "setuptools",
)  # fmt: skip
MIXED = {
    "operator": ["ac_block"],
    "attention": ["self_attention"],
    "fusion": ["aff"],
    "context": ["aspp"],
    "pooling": ["gem"],
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "out"
    found = subjects.subject(subjects.values(**MIXED))
    deliver(found, path, Options(formats=("source",), measure=False))
    return found, path


@pytest.fixture(scope="module")
def torch_alone(tmp_path_factory) -> Path:
    """A folder on which nothing but torch and what it needs can be found."""
    folder = tmp_path_factory.mktemp("torch_alone")
    packages = Path(torch.__file__).parent.parent
    for name in _TORCH_ALONE:
        if (packages / name).exists():
            (folder / name).symlink_to(packages / name)
    return folder


def isolated(code: str, path: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run code with nothing on sys.path but the standard library and ``path``."""
    begin = f"import sys; sys.path.append({str(path)!r}); "
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", begin + code, *args],
        cwd=cwd, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip


def imported(path: Path):
    spec = importlib.util.spec_from_file_location("exported", path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_runs_in_an_empty_directory_with_torch_alone(exported, torch_alone, tmp_path):
    _, path = exported
    for name in ("model.py", "model.safetensors"):
        shutil.copy(path / name, tmp_path)
    code = (
        "import runpy; runpy.run_path('model.py', run_name='__main__'); "
        "theirs = {'plugnas', 'modules', 'space', 'nas', 'safetensors', 'torchvision'}; "
        "assert not theirs & set(sys.modules)"
    )
    done = isolated(code, torch_alone, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "output (1, 10)" in done.stdout


def test_python_i_runs_the_file(exported):
    _, path = exported
    done = subprocess.run(
        [sys.executable, "-I", str(path / "model.py")],
        cwd=path.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("output (1, 10)\n")


def test_loads_strictly_and_says_what_does_not_fit(exported, tmp_path):
    found, path = exported
    module = imported(path)
    state = module.read_safetensors(path / "model.safetensors")
    assert state.keys() == found.network.state_dict().keys()
    module.Network().load_state_dict(state, strict=True)
    data = (path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:-100])
    with pytest.raises(ValueError, match="damaged or truncated"):
        module.load(tmp_path)


def test_both_forms_compute_the_same_and_the_trained_one_has_its_norms(exported):
    found, path = exported
    module = imported(path)
    x = found.normalised(found.images)
    deploy, training = module.load(), module.load(deploy=False)
    with torch.no_grad():
        torch.testing.assert_close(deploy(x), training(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(training(x), found.network(x), rtol=1e-6, atol=1e-6)
    norms = [m for m in training.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) > len([m for m in deploy.modules() if isinstance(m, torch.nn.BatchNorm2d)])


def test_can_be_trained_further(exported):
    found, path = exported
    network = imported(path).load(deploy=False).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02)
    images, labels = subjects.digits()
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(
            network(found.normalised(images[:128])), labels[:128]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_keeping_the_training_form_leaves_fusing_out():
    found = subjects.subject(subjects.values(**MIXED))
    text = model_py.source(found, deploy=False, preprocessing=False)
    assert "fuse" not in text.split("class Network")[1]
    assert "def fuse" not in text


def test_is_formatted_and_names_mechanism_and_paper(exported):
    _, path = exported
    text = (path / "model.py").read_text()
    assert "# ACNet asymmetric convolution block (2019): arXiv:1908.03930\nclass " in text
    assert "register" not in text
    assert max(map(len, text.splitlines())) <= 100
    if shutil.which("ruff") or (Path(sys.executable).parent / "ruff").exists():
        ruff = shutil.which("ruff") or str(Path(sys.executable).parent / "ruff")
        files = [str(path / name) for name in ("model.py", "train.py", "pixels.py", "mixing.py")]
        options = ["--isolated", "--line-length", "100"]
        for command in (["format", "--check"], ["check", "--select", "E,F,I,W"]):
            done = subprocess.run(
                [ruff, *command, *options, *files], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout


def test_every_class_that_is_written_is_used(exported):
    _, path = exported
    text = (path / "model.py").read_text()
    for line in text.splitlines():
        if line.startswith("class ") and not line.startswith("class Network"):
            name = line.removeprefix("class ").split("(")[0]
            assert text.count(name) > 1, name


def test_two_definitions_of_one_name_are_told_apart():
    collector = source.Collector(taken={"SqueezeExcitation", "hidden_width"})
    assert collector.need("plugnas.modules.attention.se.SqueezeExcitation") == "SqueezeExcitationSe"
    text = "\n\n\n".join(collector.bodies)
    assert "class SqueezeExcitationSe(nn.Module):" in text
    assert "hidden = hidden_width_parts(channels, reduction)" in text


EXAMPLE = """
from plugnas import modules
from plugnas.modules import register

# Above a constant a comment stays.
LIMIT: int = 3  # and beside it


def scaled(x: int) -> int:
    return x


# Above a class it is the zoo's own.
@register("example")
class Example:
    \"\"\"Adopts by scaled.\"\"\"

    # This goes with its method.
    @classmethod
    def adopt(cls) -> None:
        return modules.register

    def forward(self, x: int) -> int:
        value = scaled(x=x)  # a call
        return self.scaled(value, scaled=LIMIT)

    def scaled(self, value: int, scaled: int) -> int:
        scaled = scaled + value
        return scaled
"""


def test_definitions_are_taken_with_their_comments_and_only_what_is_meant_is_renamed(
    monkeypatch, tmp_path
):
    (tmp_path / "example.py").write_text(EXAMPLE)
    spec = importlib.util.spec_from_file_location("plugnas.example", tmp_path / "example.py")
    monkeypatch.setitem(sys.modules, spec.name, importlib.util.module_from_spec(spec))
    collector = source.Collector(taken={"scaled"}, without=frozenset({"adopt"}))
    collector.need("plugnas.example.Example")
    constant = "# Above a constant a comment stays.\nLIMIT: int = 3  # and beside it"
    function = "def scaled_example(x: int) -> int:\n    return x"
    begin, end = EXAMPLE[EXAMPLE.index("class Example") :].split("    # This goes")
    rest = end[end.index("    def forward") :].replace("= scaled(x=x)", "= scaled_example(x=x)")
    *needed, example = collector.bodies
    assert sorted(needed) == [constant, function]
    assert example == (begin + rest).rstrip().replace('"""\n\n\n', '"""\n\n')
    assert not collector.imports


def test_a_name_that_another_function_defines_for_itself_is_unknown():
    text = (
        "def one():\n    own = 1\n    return own\n\n\ndef two(x: Kind):\n    return own, len(x)\n"
    )
    with pytest.raises(ExportError, match="unknown names: Kind, own$"):
        source.check_names(f"from __future__ import annotations\n\n{text}")


def test_compiled_it_gives_the_same_values(exported):
    found, path = exported
    model = imported(path).load()
    compiled = torch.compile(model, backend="aot_eager")
    x = found.normalised(found.images)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # the compiler's own, of its own modules
def test_compiled_by_the_default_compiler_it_gives_the_same_values(exported):
    if shutil.which("g++") is None and shutil.which("c++") is None:
        pytest.skip("torch.compile's default backend needs a C++ compiler")
    found, path = exported
    model = imported(path).load()
    x = found.normalised(found.images)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_train_py_learns_digits_from_a_folder(exported, tmp_path):
    from PIL import Image

    _, path = exported
    images, labels = subjects.digits()
    for i in range(400):
        folder = tmp_path / "images" / str(int(labels[i]))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i, :, :, 0].numpy()).save(folder / f"{i}.png")
    for name in ("model.py", "train.py", "pixels.py", "mixing.py"):
        shutil.copy(path / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "train.py", "images", "--epochs", "15", "--device", "cpu"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "325 images to train on, 75 held out" in done.stderr
    last = done.stderr.strip().splitlines()[-2]
    assert float(last.split()[-1]) > 0.6
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    imported(path).Network().load_state_dict(state, strict=True)


def test_the_recipe_of_the_run_is_written_into_train_py(exported):
    _, path = exported
    assert "\nEPOCHS = 2\n" in (path / "train.py").read_text()


def test_architecture_json_alone_describes_the_network(exported):
    found, path = exported
    data = json.loads((path / "architecture.json").read_text())
    assert data["values"] == found.values
    assert data["form"] == "deploy"
