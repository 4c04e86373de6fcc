"""Finding the sites of a host."""

from __future__ import annotations

import json
import warnings

import pytest
import timm
import torch
import torchvision

import plugnas
from plugnas.space.host import HostError, HostTrace, trace
from plugnas.space.host.source import HostSource


def test_a_resnet_is_read_and_not_asked(networks):
    model = networks.ResNet20()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = plugnas.sites(model, (3, 32, 24))
    site = found.by_path["layer2.0.conv1"]
    assert (site.map_in, site.map_out, site.calls) == ((16, 32, 24), (32, 16, 12), 1)
    assert site.after == ("attention", "context", "operator") and site.replace == ("operator",)
    assert site.kind == "conv 16 -> 32 3x3 stride 2"
    relu = found.by_path["layer2.0.relu"]
    assert relu.calls == 2 and relu.after == () and relu.replace == ("activation",)
    assert relu.why_not["after"] == "is called 2 times in one forward"
    assert [none.path for none in found.no_sites] == ["linear"]
    assert found.classifiers == ("linear",) and found.outputs == 10
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_what_is_no_site_says_why(networks):
    found = trace(networks.Awkward(), (3, 16, 16))
    reasons = {none.path: none.reason for none in found.no_sites}
    for path, words in {
        "pair": "returns a tuple of 2",
        "alias": "is shared: the same module as `stem`",
        "last": "channels last",
        "norm": "channels last",
        "compiled": "is scripted",
        "unused": "is not called",
        "listed": "is a list of modules",
        "again": "is called 3 times",
        "head": "returns a tensor of 2 axes",
    }.items():
        assert words in reasons[path], (path, reasons[path])
    cropped = found.by_path["cropped"]
    assert cropped.replace == () and "ceil(size / stride)" in cropped.why_not["operator"]


def test_a_folded_norm_is_known(networks):
    found = trace(networks.Chain(), (3, 16, 16))
    assert found.by_path["0.0"].norm == "0.1"
    assert found.by_path["0.2"].norm is None


def test_the_record_survives_json(networks):
    found = trace(networks.tiny(), (3, 16, 16), name="tiny", digest="00")
    assert HostTrace.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(HostError, match="no record of a traced host"):
        HostTrace.from_dict({"name": 3})


def test_a_network_for_other_images_says_so(networks):
    with pytest.raises(HostError, match=r"tiny: does not run on images of 5x16x16: it fails in "):
        trace(networks.tiny(), (5, 16, 16), name="tiny")
    late = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(9, 2))
    with pytest.raises(HostError, match=r"images of 3x8x8: it fails in `2` \(RuntimeError"):
        trace(late, (3, 8, 8))
    with pytest.raises(HostError, match="none of its 1 submodules returns a map"):
        trace(torch.nn.Sequential(torch.nn.Flatten()), (3, 4, 4))


# --- other people's networks --------------------------------------------------------------------

FAMILIES_3D = ("mc3", "mvit", "r2plus1d", "r3d", "raft", "s3d", "swin3d")
MODELS = [
    name
    for name in torchvision.models.list_models()
    if not name.startswith((*FAMILIES_3D, "quantized"))
]
DETECTION = ("fcos", "rcnn", "retinanet", "ssd")
QUICK = ("resnet18", "mobilenet_v3_small", "convnext_tiny", "shufflenet_v2_x0_5", "squeezenet1_1",
         "swin_t", "vit_b_16", "lraspp_mobilenet_v3_large", "fcos_resnet50_fpn")  # fmt: skip
TIMM = (
    "resnet50d",
    "regnety_008",
    "convnextv2_atto",
    "tf_efficientnet_lite0",
    "mobilenetv4_conv_small",
    "ghostnetv2_100",
    "repvgg_a0",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "densenet121",
    "dla34",
    "hrnet_w18_small",
    "nfnet_l0",
    "seresnext50_32x4d",
    "cspdarknet53",
    "vovnet39a",
    "levit_128s",
    "coatnet_0_rw_224",
    "edgenext_xx_small",
    "fastvit_t8",
    "poolformer_s12",
    "pvt_v2_b0",
    "res2net50_26w_4s",
    "rexnet_100",
    "inception_v4",
    "xception41",
    "repvit_m0_9",
    "tresnet_m",
)
TIMM_QUICK = ("swin_tiny_patch4_window7_224", "levit_128s", "ghostnetv2_100")


def marked(names, quick):
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


def traced(source, size=224):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other libraries say while they are built
        model = source.build_light()
    assert all(p.is_meta for p in model.parameters())
    return trace(model, (3, size, size))


@pytest.mark.parametrize("name", marked(MODELS, QUICK))
def test_torchvision(name):
    found = traced(HostSource(f"torchvision.models:{name}"), 299 if "inception" in name else 224)
    dense = name.startswith(("deeplab", "fcn", "lraspp"))
    if any(kind in name for kind in DETECTION):
        assert found.outputs is None and "looks at the values" in found.notes[0]
    else:
        assert found.outputs == (21 if dense else 1000) and found.classifiers
    windows = name.startswith(("swin", "vit"))
    assert len(found.sites) >= (1 if windows else 15)
    assert all(none.reason for none in found.no_sites)


@pytest.mark.parametrize("name", marked(TIMM, TIMM_QUICK))
def test_timm(name):
    assert timm.is_model(name)
    found = traced(HostSource(f"timm:{name}"), 299 if "inception" in name else 224)
    assert found.outputs == 1000 and found.sites and not found.notes


def test_auxiliary_and_added_classifiers_are_found():
    def classifiers(name):
        return traced(HostSource(name)).classifiers

    added = ("classifier.low_classifier", "classifier.high_classifier")
    assert classifiers("torchvision.models:lraspp_mobilenet_v3_large") == added
    googlenet = classifiers("torchvision.models:googlenet")
    assert googlenet == ("aux1.fc2", "aux2.fc2", "fc")
    assert classifiers("timm:levit_128s") == ("head.linear", "head_dist.linear")
