"""Callbacks by name: TensorBoard gets every measurement; wrong names and options are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugnas.nas.executors import SerialExecutor
from plugnas.nas.executors.callbacks import CallbackError, listeners, parse, scalars
from plugnas.nas.executors.measure import measure
from plugnas.nas.study.drive import drive
from tests.nas.runs import Table, study


def test_tensorboard_file_holds_every_value(tmp_path: Path) -> None:
    (listener,) = listeners(["tensorboard"], tmp_path)
    run = study(trials=7)
    drive(run, SerialExecutor(Table()), on_event=[listener])
    (file,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    assert read_scalars(file, "rung0/accuracy") == pytest.approx(
        {m.number: m.values["accuracy"] for m in run.measurements}
    )
    assert read_scalars(file, "rung0/params") == pytest.approx(
        {m.number: m.costs["params"] for m in run.measurements}
    )


def read_scalars(file: Path, tag: str) -> dict[int, float]:
    """Read TensorBoard's records: length (8 bytes), checksum (4), event, checksum (4)."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    data, found = file.read_bytes(), {}
    while data:
        length = int.from_bytes(data[:8], "little")
        event = proto.Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        for value in event.summary.value:
            if value.tag == tag:
                found[event.step] = value.simple_value
    return found


def test_what_failed_has_no_accuracy_to_draw() -> None:
    task = study().ask()
    assert task is not None
    drawn = scalars(measure(task, Table(faults={task.architecture.id: "raise"}).evaluate))
    assert drawn["failed"] == 1.0
    assert "accuracy" not in drawn


def test_forms_of_a_callback() -> None:
    assert parse(["tensorboard", {"mlflow": {"experiment_name": "x"}}, {"wandb": None}]) == [
        ("tensorboard", {}),
        ("mlflow", {"experiment_name": "x"}),
        ("wandb", {}),
    ]


@pytest.mark.parametrize(
    ("callbacks", "text"),
    [
        (["tensorbord"], "did you mean `tensorboard`"),
        ([{"a": {}, "b": {}}], "a name or"),
        ([{"tensorboard": 3}], "a name or"),
        (["mlflow"], "needs `executor: ray`"),
        ([{"tensorboard": {"colour": 1}}], "no such option"),
    ],
)
def test_bad_callbacks(tmp_path: Path, callbacks: list[object], text: str) -> None:
    with pytest.raises(CallbackError, match=text):
        listeners(callbacks, tmp_path)  # type: ignore[arg-type]
