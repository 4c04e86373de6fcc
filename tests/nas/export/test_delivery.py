"""Exports as a stranger meets them: whole directories, right values, clear errors."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import torch

from plugnas import nas
from plugnas.modules import PlugnasError
from plugnas.nas.export import ExportError, Options, check, deliver, delivery, hashes, pt2
from tests.nas.export import subjects

FRESH = check._run  # as users start it; most checks run in forks, see forked_checks.py
FAST = Options(formats=("pt2", "safetensors"), measure=False)
FILES = {
    "model.pt2", "model.onnx", "model.safetensors", "architecture.json", "model.py", "train.py",
    "pixels.py", "mixing.py", "README.md", "SHA256SUMS",
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("delivery") / "out"
    found = subjects.subject()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_run", FRESH)
        return found, deliver(found, path)


@pytest.fixture
def copy(exported, tmp_path):
    """A copy that a test may spoil."""
    import shutil

    return shutil.copytree(exported[1].path, tmp_path / "copy")


def test_everything_is_there_and_nothing_beside_it(exported):
    _, made = exported
    assert {p.name for p in made.path.iterdir()} == FILES == set(made.files)
    assert [p.name for p in made.path.parent.iterdir()] == ["out"]
    assert all(p.stat().st_mode & 0o444 == 0o444 for p in made.path.iterdir())
    assert set(made.latencies) == {"model.pt2", "model.onnx", "model.py"}


def test_pt2_classifies_with_torch_alone_at_any_batch(exported):
    found, made = exported
    run = torch.export.load(made.path / "model.pt2").module()
    x = found.normalised(subjects.digits()[0][:33])
    with torch.no_grad():
        for batch in (1, 2, 33):
            torch.testing.assert_close(
                run(x[:batch]), found.network(x[:batch]), rtol=1e-4, atol=1e-5
            )


def test_height_and_width_may_vary_in_steps_of_the_stride(exported):
    found, made = exported
    assert made.step == 2
    x = torch.randn(2, 1, 12, 10)
    with torch.no_grad():
        run = torch.export.load(made.path / "model.pt2").module()
        torch.testing.assert_close(run(x), found.network(x), rtol=1e-4, atol=1e-5)


def test_a_network_of_a_fixed_size_is_exported_at_it():
    found = subjects.subject(subjects.values(blocks=1, attention=["vip"]))
    x = found.normalised(found.images[:3])
    program = pt2.trace(found.network, x, found.stride, channels_last=False)
    assert program.step is None
    with torch.no_grad():
        torch.testing.assert_close(
            program.exported.module()(x[:1]), found.network(x[:1]), rtol=1e-4, atol=1e-5
        )


def test_onnx_states_its_opset_and_names_its_dimensions(exported):
    import onnx

    model = onnx.load(exported[1].path / "model.onnx")
    assert [o.version for o in model.opset_import if o.domain == ""] == [20]
    entry, result = model.graph.input[0], model.graph.output[0]
    assert (entry.name, result.name) == ("images", "logits")
    dims = [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim]
    assert dims == ["batch", 1, "height", "width"]
    assert "opset 20" in (exported[1].path / "README.md").read_text()


def test_the_opset_is_chosen(tmp_path):
    import onnx

    options = Options(formats=("onnx",), measure=False, opset=18, fixed_size=True)
    made = deliver(subjects.subject(subjects.values(blocks=1)), tmp_path / "out", options)
    model = onnx.load(made.path / "model.onnx")
    assert [o.version for o in model.opset_import if o.domain == ""] == [18]
    assert "opset 18" in (made.path / "README.md").read_text()


@pytest.mark.parametrize("opset", [0, 9, 17, 24, 99])
def test_an_opset_that_cannot_be_written_is_refused(opset, tmp_path):
    with pytest.raises(ExportError, match=f"--opset is 18 to 23.*not {opset};"):
        deliver(subjects.subject(), tmp_path / "out", Options(formats=("onnx",), opset=opset))
    assert not (tmp_path / "out").exists()


def test_load_returns_the_network_in_eval_mode(exported):
    found, made = exported
    model = nas.load(made.path)
    x = found.normalised(found.images)
    assert not model.training
    with torch.no_grad():
        torch.testing.assert_close(model(x), found.network(x), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())


def test_preprocessing_and_the_training_form_travel(tmp_path):
    found = subjects.subject(subjects.values(blocks=1, attention=["se"]))
    options = dataclasses.replace(FAST, preprocessing=True, deploy=False)
    deliver(found, tmp_path / "out", options)
    with torch.no_grad():
        expected = found.network(found.normalised(found.images)).softmax(1)
        for model in (
            nas.load(tmp_path / "out"),
            torch.export.load(tmp_path / "out/model.pt2").module(),
        ):
            torch.testing.assert_close(model(found.images), expected, rtol=1e-4, atol=1e-5)
    assert "uint8 `(B, 8, 8, 1)`" in (tmp_path / "out/README.md").read_text()
    norms = [m for m in nas.load(tmp_path / "out").modules() if "BatchNorm" in type(m).__name__]
    assert norms
    graph = torch.export.load(tmp_path / "out/model.pt2").graph_module.code
    assert "batch_norm" in graph


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.pt2", "model.py", "architecture.json", "README.md"]
)
@pytest.mark.parametrize("harm", ["tampered", "truncated"])
def test_a_file_that_was_changed_is_an_error(copy, name, harm):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data if harm == "tampered" else data[: len(data) // 2])
    with pytest.raises(ExportError, match=f"{name} was changed or truncated"):
        nas.load(copy)
    with pytest.raises(ExportError, match=f"{name} was changed or truncated"):
        hashes.verify(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "architecture.json"])
def test_damage_behind_a_right_checksum_is_an_error_too(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:-40])
    hashes.write(copy)
    with pytest.raises(PlugnasError, match=name):
        nas.load(copy)


def test_weights_of_another_network_do_not_load(copy):
    data = json.loads((copy / "architecture.json").read_text())
    data["values"]["stage2.width"] = 24
    (copy / "architecture.json").write_text(json.dumps(data))
    hashes.write(copy)
    with pytest.raises(ExportError, match="does not fit the network"):
        nas.load(copy)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("stage2.width", 60_000, "model.safetensors does not fit the network .* bytes"),
        ("stage2.width", 200_000, "`stage2.width` is a number from 0 to 65536, but got 200000"),
        ("stage1.depth", 10**30, "`stage1.depth` is a number from 0 to 64, but got 10000"),
    ],
)
def test_a_network_too_large_for_its_weights_is_never_built(copy, name, value, message):
    """Defect: one of 200,000 channels filled the memory before its weights were read."""
    data = json.loads((copy / "architecture.json").read_text())
    data["values"][name] = value
    (copy / "architecture.json").write_text(json.dumps(data))
    hashes.write(copy)
    with pytest.raises(ExportError, match=message):
        nas.load(copy)


def test_a_module_this_zoo_does_not_have_is_named(copy):
    data = json.loads((copy / "architecture.json").read_text())
    data["values"]["pooling"] = "no_such_pooling"
    (copy / "architecture.json").write_text(json.dumps(data))
    hashes.write(copy)
    with pytest.raises(ExportError, match="no_such_pooling"):
        nas.load(copy)


def test_a_missing_file_and_a_directory_that_is_no_export(copy, tmp_path):
    (copy / "model.onnx").unlink()
    nas.load(copy)  # needs only two of the files
    with pytest.raises(ExportError, match=r"model\.onnx is missing"):
        hashes.verify(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"model\.safetensors is missing"):
        nas.load(copy)
    with pytest.raises(ExportError, match="is no export"):
        nas.load(tmp_path)


def test_a_mismatch_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    found, other = (subjects.subject(subjects.values(blocks=1)) for _ in range(2))
    subjects.alive(other.network, seed=5)
    monkeypatch.setattr(
        delivery._Work, "item", lambda work: check.Item(
            work.path, ("model.pt2",), (found.normalised(found.images),),
            (other.network(found.normalised(found.images)).detach(),),
        ),
    )  # fmt: skip
    with pytest.raises(ExportError, match=r"model\.pt2 of .* failed its check"):
        deliver(found, tmp_path / "out", dataclasses.replace(FAST, fixed_size=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", ["fresh", "forked"])
def test_a_source_that_needs_plugnas_fails_its_check(tmp_path, monkeypatch, start):
    """The process that checks cannot import what this one can."""
    if start == "fresh":
        monkeypatch.setattr(check, "_run", FRESH)
    (tmp_path / "model.py").write_text("import plugnas\n")
    item = check.Item(tmp_path, ("model.py",), (torch.zeros(1),), (torch.zeros(1),))
    with pytest.raises(ExportError, match="No module named 'plugnas'"):
        check.check([item])


def test_an_earlier_export_is_replaced_and_anything_else_is_not(tmp_path):
    found = subjects.subject()
    deliver(found, tmp_path / "out", dataclasses.replace(FAST, formats=("source",)))
    deliver(found, tmp_path / "out", dataclasses.replace(FAST, formats=("safetensors",)))
    assert not (tmp_path / "out/model.py").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="is no export; choose another --to"):
        deliver(found, tmp_path / "mine", FAST)
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"
    assert {p.name for p in tmp_path.iterdir()} == {"out", "mine"}


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(ExportError, match="did you mean `onnx`"):
        deliver(subjects.subject(), tmp_path / "out", Options(formats=("onx",)))


def test_the_checksums_are_those_that_sha256sum_reads(exported):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=exported[1].path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_readme_says_what_a_stranger_must_know(exported):
    text = (exported[1].path / "README.md").read_text()
    for needed in (
        "(B, 1, 8, 8)", "mean 0.305", "std 0.376", "0: 0", "90.00 %", "FLOPs", "latency of",
        "| stage2.block1 | 8x8x8 | conv to 16, stride 2 |", "torch.export.load", "onnxruntime",
        "from model import load", "import plugnas", "plugnas.load('.')", "python train.py",
        "a short training of the search", "mixes and erases them as it did.",
    ):  # fmt: skip
        assert needed in text, needed


# Each block has names of its own: one that forgot an import fails.
EACH_BLOCK = """
import json, sys, torch
sys.path.insert(0, ".")
for block in json.load(open("../blocks.json")):
    images = torch.load("../images.pt")
    names = {"images": images.numpy() if "onnxruntime" in block else images}
    exec(block, names)
    print(tuple(names["output"].shape))
"""


def test_the_lines_of_the_readme_work(exported):
    """Each python block of README.md runs as it stands, in the export's directory."""
    found, made = exported
    text = (made.path / "README.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 4
    torch.save(found.normalised(found.images), made.path.parent / "images.pt")
    (made.path.parent / "blocks.json").write_text(json.dumps(blocks))
    done = subprocess.run(
        [sys.executable, "-B", "-c", EACH_BLOCK],
        cwd=made.path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == 4 * ["(8, 10)"], done.stderr


def test_odd_class_names_are_shown_and_spelt_as_they_are(tmp_path):
    names = ("<b>x</b>", "a|b", "back\\slash", "`tick`", 'quo"te', "naïve", "_", "7", "8", "9")
    found = dataclasses.replace(subjects.subject(), classes=names)
    options = Options(formats=("source",), measure=False)
    made = deliver(found, tmp_path / "out", options)
    text = (made.path / "README.md").read_text()
    assert r"0: \<b\>x\</b\>, 1: a\|b, 2: back\\slash, 3: \`tick\`" in text
    namespace: dict[str, object] = {}
    line = next(t for t in (made.path / "model.py").read_text().split("\n\n") if "CLASSES =" in t)
    exec(line, namespace)
    assert namespace["CLASSES"] == names
