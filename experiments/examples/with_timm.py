"""timm's own training functions as the evaluator: `evaluate: with_timm.py:train`.

In `own_training.yaml` it needs `classes: 6` and `objectives: {top1: max, flops: min}`: the network
predicts the number of spots as one of six classes.
"""

from __future__ import annotations

import torch
from own_training import IMAGES, MOST, spots
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, ModelEmaV3, accuracy
from torch import nn

from plugnas.nas.executors.function import Context


def train(network: nn.Module, context: Context) -> dict[str, float]:
    """Train for `context.budget` epochs with mixup and averaged weights; return the accuracy."""
    x, count = (tensor.to(context.device) for tensor in spots(IMAGES, seed=0))
    optimiser = create_optimizer_v2(network, opt="adamw", lr=5e-3, weight_decay=1e-3)
    scheduler, epochs = create_scheduler_v2(
        optimiser, sched="cosine", num_epochs=context.budget, warmup_epochs=0
    )
    mixup = Mixup(mixup_alpha=0.1, label_smoothing=0.1, num_classes=MOST + 1)
    average = ModelEmaV3(network, decay=0.9)
    loss_of = SoftTargetCrossEntropy()
    for epoch in range(epochs):
        network.train()
        losses = AverageMeter()
        for rows in torch.randperm(IMAGES).split(16):
            images, soft = mixup(x[rows], count[rows].long())
            loss = loss_of(network(images), soft)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            average.update(network)
            losses.update(float(loss.detach()), len(rows))
        scheduler.step(epoch + 1)
        context.report(epoch + 1, train_loss=losses.avg)
    x, count = spots(IMAGES, seed=2 if context.final else 1)  # test images, or validation images
    average.module.eval()
    with torch.inference_mode():
        logits = average.module(x.to(context.device)).cpu()
    return {"top1": float(accuracy(logits, count.long())[0]) / 100}
