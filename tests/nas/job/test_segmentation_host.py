"""A U-Net of one's own as the host of a segmentation: frozen rung, auxiliary output, export."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest
import torch

from plugnas.nas import confirm
from plugnas.nas.export.delivery import Options
from plugnas.nas.export.run_export import export_members
from plugnas.nas.job.config import parse
from plugnas.nas.job_run import run_job
from plugnas.nas.proxy import learning
from plugnas.nas.proxy.features import Features
from plugnas.nas.report.data import gather

EXAMPLES = Path(__file__).parents[3] / "experiments" / "examples"
UNET = """
import torch
from torch import nn
from torch.nn import functional as F


def block(before, after):
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.enc1, self.enc2 = block(3, 8), block(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec, self.out = block(16, 8), nn.Conv2d(8, classes, 1)
        self.aux = nn.Conv2d(16, classes, 1)

    def forward(self, x):
        first = self.enc1(x)
        deep = self.enc2(F.max_pool2d(first, 2))
        up = F.interpolate(self.up(deep), size=first.shape[-2:])
        found = {"out": self.out(self.dec(torch.cat([first, up], 1)))}
        if self.training:
            found["aux"] = self.aux(deep)
        return found
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unet")
    (folder / "unet.py").write_text(UNET)
    spec = importlib.util.spec_from_file_location("own_unet", folder / "unet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    torch.save(module.UNet().state_dict(), folder / "unet.pth")
    runpy.run_path(str(EXAMPLES / "shapes.py"))["write"](folder / "shapes", 16, 8, 8)
    return folder


def test_a_u_net_is_searched_from_its_weights_and_exported(folder, tmp_path, monkeypatch):
    """Modules go behind its encoder; its answer is ``out`` of a dict."""
    monkeypatch.setenv("PLUGNAS_CACHE", str(folder / "cache"))
    kinds, plain = [], learning.source_of

    def watched(*given):
        found = plain(*given)
        kinds.append((found[1].__class__, tuple(found[1].plain(given[3][:2])[1].shape)))
        return found

    monkeypatch.setattr("plugnas.nas.proxy.training.source_of", watched)
    host = {"model": "unet.py:UNet", "weights": "unet.pth"}
    sites = [{"after": "enc2", "slot": "attention", "choices": ["se", "eca"]}]
    rung = {"epochs": 1, "batch_size": 8, "resolution": 20}
    job = parse(
        {
            "data": "shapes", "task": "segmentation", "space": {"host": host, "sites": sites},
            "proxy": {"rungs": [{**rung, "freeze": "host"}]},
            "trials": 2, "executor": "serial", "sampler": "random",
            "confirm": {"seeds": 1, "epochs": 1, "control": False},
        }
    )  # fmt: skip
    view = run_job(job, folder, tmp_path / "run")
    assert [m.reason for m in view.failures] == []
    assert {m.values["miou"] > 0 for m in view.measurements} == {True}
    assert (Features, (2, 20, 25)) in kinds  # computed once up to the plug, masks as small
    assert kinds[-1][1] == (2, 30, 37)  # the confirmation trains all, at full size
    member = view.front[-1]
    (tested,) = [m for m in confirm.read(view).members if m.id == member.id]
    assert tested.told[0] <= tested.mean <= tested.told[1]
    (shown,) = [n for n in gather(view)["networks"] if n["id"] == member.id]
    assert shown["test"]["class_iou"] == pytest.approx(tested.class_iou)
    formats = Options(formats=("pt2", "source"), measure=False)
    (delivery,) = export_members(view, [member], tmp_path / "out", formats)
    assert {"model.pt2", "model.py", "train.py", "unet.py"} <= set(delivery.files)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    assert program(torch.zeros(2, 3, 30, 37)).shape == (2, 3, 30, 37)
