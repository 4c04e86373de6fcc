"""How each file of an export is loaded: the lines that README.md shows, which a test runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugnas.nas.export import elsewhere
from plugnas.nas.export.subject import Subject

_XNNPACK = "executorch; one image at a time, XNNPACK where it can"


def section(
    subject: Subject,
    files: Sequence[str],
    skipped: Mapping[str, str],
    libraries: Sequence[str],
    opset: int,
    *,
    deploy: bool,
) -> str:
    """Return the part of README.md that shows how each file is read.

    Args:
        subject: the network and its facts.
        files: those that were written.
        skipped: reasons for those that were not.
        libraries: what model.py imports.
        opset: version of the ONNX operators.
        deploy: whether model.py has a deploy form.
    """
    needs = " and ".join(libraries)
    ways = {
        "model.pt2": (
            "torch alone",
            "import torch\nmodel = torch.export.load('model.pt2').module()\noutput = model(images)",
        ),
        "model_int8.pt2": (
            "torch alone; the second import knows the operators",
            "import torch\nimport torch.ao.quantization.fx._decomposed\n"
            "model = torch.export.load('model_int8.pt2').module()\noutput = model(images)",
        ),
        "model_int8.onnx": (f"onnxruntime; opset {opset}, in int8", _onnx("model_int8.onnx")),
        "model.onnx": (f"onnxruntime; opset {opset}", _onnx("model.onnx")),
        "model.xml": (
            "openvino; IR, float32",
            "import openvino\nmodel = openvino.Core().compile_model('model.xml', 'CPU')\n"
            "output = model([images])[0]  # a numpy array",
        ),
        "model.pte": (_XNNPACK, _executorch("model.pte")),
        "model_int8.pte": (f"{_XNNPACK}, in int8", _executorch("model_int8.pte")),
        "model.tflite": (
            "ai-edge-litert; one image at a time",
            "from ai_edge_litert.interpreter import Interpreter\n"
            "model = Interpreter('model.tflite')\nmodel.allocate_tensors()\n"
            "model.set_tensor(model.get_input_details()[0]['index'], images)  # a numpy array\n"
            "model.invoke()\n"
            "output = model.get_tensor(model.get_output_details()[0]['index'])",
        ),
        "hub_model.py": (
            "huggingface_hub; and timm, through timm_model.py",
            "from hub_model import Model\nmodel = Model.from_pretrained('.')\n"
            "output = model(images)",
        ),
        "model.py": (
            f"{needs}; the source, to read, change and train further",
            "from model import load\nmodel = load()"
            + ("  # load(deploy=False): to train further" if deploy else "")
            + "\noutput = model(images)",
        ),
        "model.safetensors": (
            "plugnas; checks every checksum",
            "import plugnas\nmodel = plugnas.load('.')\noutput = model(images)",
        ),
    }
    if subject.host is not None:
        ways["model.safetensors"] = (
            "any reader of safetensors; keys of the host have the host's names",
            "from safetensors.torch import load_file\nstate = load_file('model.safetensors')",
        )
    ways |= elsewhere.ways(subject)
    parts = [
        f"`{name}` ({how}):\n\n```python\n{code}\n```"
        for name, (how, code) in ways.items()
        if name in files
    ]
    missing = [f"No {name}: {reason}." for name, reason in skipped.items()]
    return "## Loading\n\n" + "\n\n".join([*parts, *missing])


def _onnx(name: str) -> str:
    return (
        f"import onnxruntime\nsession = onnxruntime.InferenceSession('{name}')\n"
        "output = session.run(None, {'images': images})[0]  # a numpy array"
    )


def _executorch(name: str) -> str:
    return (
        "from executorch.runtime import Runtime\n"
        f"program = Runtime.get().load_program('{name}')  # keep it: its method needs it\n"
        "method = program.load_method('forward')\n"
        "output = method.execute([images])[0]  # a tensor"
    )
