"""Detection with your own training function: blood cells in BCCD, torchvision's FCOS.

`detect_bccd.yaml` plugs modules into the backbone and the feature pyramid. The images are looked
for in $BCCD, by default ../shared/data/bccd.tar.xz: a folder or an archive with `images/` and
`annotations_{train,val,test}.json` as COCO writes them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x0_5
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOSHead

from plugnas.nas.data.coco import Boxes, read_coco
from plugnas.nas.executors.function import Context

SIZE, BATCH = (240, 320), 8
LEVELS = {"stage2": "8", "stage3": "16", "stage4": "32"}  # the backbone's maps, by their stride
WIDTH = 64


def detector(classes: int = 3, size: tuple[int, int] = SIZE) -> nn.Module:
    """Return an FCOS (arXiv:1904.01355) on ShuffleNetV2 x0.5 and a feature pyramid; not trained."""
    backbone = BackboneWithFPN(
        shufflenet_v2_x0_5(), LEVELS, [48, 96, 192], WIDTH, extra_blocks=None
    )  # fmt: skip
    backbone.fpn.extra_blocks = None  # cells are seen at the three levels
    strides = tuple((int(stride),) for stride in LEVELS.values())
    return FCOS(
        backbone,
        classes,
        min_size=min(size),
        max_size=max(size),
        anchor_generator=AnchorGenerator(strides, ((1.0,),) * len(strides)),
        head=FCOSHead(WIDTH, 1, classes, num_convs=2),
        detections_per_img=100,
    )


@functools.cache
def boxes_of(part: str) -> Boxes:
    """Return the images and boxes of ``train``, ``val`` or ``test``; read once in a process."""
    source = os.environ.get("BCCD", "../shared/data/bccd.tar.xz")
    return read_coco(source, f"annotations_{part}.json", f"images/{part}")


def train(network: nn.Module, context: Context) -> dict[str, float]:
    """Train for ``context.budget`` epochs; return mAP at 0.5 of the validation (test) images."""
    data = boxes_of("train")
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = context.budget * -(-len(data) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for epoch in range(1, context.budget + 1):
        network.train()
        losses = []
        for images, targets in batches(data, context.device):
            loss = sum(network(images, targets).values())
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            rates.step()
            losses.append(loss.detach())
        context.report(epoch, train_loss=torch.stack(losses).mean())
    return {"map50": map50(network, boxes_of("test" if context.final else "val"), context.device)}


def batches(data: Boxes, device: str) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
    """Yield shuffled batches as torchvision's detectors take them, half of the images mirrored."""
    width = data.images.shape[-1]
    for rows in torch.randperm(len(data)).split(BATCH):
        images, targets = [], []
        for row in rows.tolist():
            image, boxes = data.images[row], data.boxes[row]
            if torch.rand(()) < 0.5:
                image = image.flip(-1)
                boxes = torch.stack(
                    [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1
                )
            images.append(image.to(device) / 255)
            targets.append({"boxes": boxes.to(device), "labels": data.labels[row].to(device)})
        yield images, targets


def map50(network: nn.Module, data: Boxes, device: str) -> float:
    """Return the mean over the classes of the average precision at an overlap of 0.5."""
    from torchmetrics.detection import MeanAveragePrecision  # the extra `detection`

    metric = MeanAveragePrecision(iou_thresholds=[0.5])
    network.eval()
    with torch.inference_mode():
        for rows in torch.arange(len(data)).split(BATCH):
            found = network([data.images[row].to(device) / 255 for row in rows])
            truth = [{"boxes": data.boxes[row], "labels": data.labels[row]} for row in rows]
            metric.update([{k: v.cpu() for k, v in one.items()} for one in found], truth)
    return float(metric.compute()["map_50"])
