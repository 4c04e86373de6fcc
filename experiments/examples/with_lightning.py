"""A Lightning module as the evaluator: `evaluate: with_lightning.py:train` in `own_training.yaml`.

The module is given the network that plugnas built; trainer, loaders and callbacks are Lightning's.
"""

from __future__ import annotations

import lightning
import torch
from own_training import IMAGES, spots
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from plugnas.nas.executors.function import Context


class Counting(lightning.LightningModule):
    """A user's own module, which takes its network as an argument."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, count = batch
        loss = nn.functional.smooth_l1_loss(self.network(x)[:, 0], count)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, count = batch
        self.log("error", (self.network(x)[:, 0] - count).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=5e-3)


class Report(lightning.Callback):
    """Reports every epoch to plugnas: the curve of the measurement."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.context.report(trainer.current_epoch + 1, **trainer.callback_metrics)


def train(network: nn.Module, context: Context) -> dict[str, float]:
    """Fit for `context.budget` epochs on the device that plugnas names; return the error."""
    part = 2 if context.final else 1  # test images, or validation images
    learn = DataLoader(TensorDataset(*spots(IMAGES, seed=0)), batch_size=16, shuffle=True)
    score = DataLoader(TensorDataset(*spots(IMAGES, seed=part)), batch_size=64)
    kind, _, index = context.device.partition(":")
    trainer = lightning.Trainer(
        max_epochs=context.budget,
        accelerator="gpu" if kind == "cuda" else "cpu",
        devices=[int(index or 0)] if kind == "cuda" else 1,
        callbacks=[Report(context)],
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Counting(network), learn, score)
    return {"error": float(trainer.callback_metrics["error"])}
