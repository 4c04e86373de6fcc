"""Measuring real networks: what is stated, how tables add up, and what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from plugnas.nas.cost import NetworkCost
from plugnas.nas.latency import (
    BusyMachineError,
    Conditions,
    ForeignTableError,
    LatencyError,
    LatencyTable,
    Settings,
    measure_architectures,
    measure_table,
    provide_table,
)
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.latency.pieces import is_buildable, pieces_of_architectures, pieces_of_space
from plugnas.space import SearchSpace

ANY = 1e9  # a limit that a busy machine meets too


@pytest.fixture(autouse=True)
def lock_dir(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))


def _space(attention=("none", "se"), width=(8, 12)):
    config = {
        "stem": {"width": 8},
        "stages": [{"width": list(width), "depth": [1, 2], "stride": 2}],
        "slots": {
            "operator": ["conv"],
            "attention": list(attention),
            "fusion": ["add"],
            "activation": {"choices": ["relu"], "scope": "network"},
        },
        "context": ["none"],
        "pooling": ["gap"],
    }
    return SearchSpace.from_config(config, (3, 12, 12), 5)


@pytest.fixture(scope="module")
def space():
    return _space()


@pytest.fixture(scope="module")
def table(space, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        return measure_table(space, Settings(rounds=4, limit=ANY), checks=6)


def test_the_pieces_of_a_space_are_those_of_all_its_architectures(space):
    every = [a for codes in space.enumerate() for a in space.architectures(codes)]
    found = {k for k, piece in pieces_of_space(space, 1000).items() if is_buildable(piece)}
    assert found == set(pieces_of_architectures(space, every))
    with pytest.raises(LatencyError, match="at most 3 distinct pieces"):
        pieces_of_space(space, 3)


def test_whole_networks_are_measured_in_their_conditions(space):
    rng = np.random.default_rng(0)
    chosen = [space.sample(rng) for _ in range(4)]
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    report = measure_architectures(
        space, [*chosen, chosen[0]], Settings(rounds=4, batch=2, limit=ANY)
    )
    assert [f.name for f in report.figures] == list({a.id: 1 for a in chosen})
    assert all(f.ms > 0 and f.cpu_ms > 0 and f.error >= 0 for f in report.figures)
    assert report.rounds == 4
    assert (report.conditions.batch, report.conditions.threads) == (2, 1)
    assert report.conditions.torch == torch.__version__
    assert len(report.anchors) == 3
    json.dumps(report.to_dict())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_a_spread_above_the_limit_ranks_nothing(space):
    report = measure_architectures(
        space, [space.sample(np.random.default_rng(0))], Settings(rounds=4, limit=1e-9)
    )
    assert report.busy
    assert report.figures[0].rank is None
    with pytest.raises(BusyMachineError):
        measure_table(space, Settings(rounds=3, limit=1e-9), checks=2)


@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"memory_format": "channels_last"}])
def test_other_dtypes_and_formats(space, options):
    chosen = [space.sample(np.random.default_rng(0))]
    report = measure_architectures(space, chosen, Settings(rounds=2, limit=ANY, **options))
    assert dataclasses.asdict(report.conditions).items() >= options.items()


def test_a_table_predicts_the_sum_of_its_pieces(space, table):
    architecture = space.sample(np.random.default_rng(1))
    expected = table.overhead_ms
    for part in space.parts(architecture):
        for piece in part.pieces():
            expected += table.entries[piece.key, piece.input_shapes][0]
    assert table.predict(space.parts(architecture)) == pytest.approx(expected)
    model = NetworkCost(space, latency=table)
    assert model.names[-1] == "latency_ms"
    assert model.cost(architecture)["latency_ms"] == pytest.approx(expected)
    codes = space.sample_codes(20, np.random.default_rng(2))
    each = [table.predict(space.parts(a)) for a in space.architectures(codes)]
    assert model.costs_of(codes)["latency_ms"] == pytest.approx(each)
    shown = sum(part.latency_ms for part in model.breakdown(architecture))
    assert shown + table.overhead_ms == pytest.approx(expected)


def test_the_prediction_is_held_against_whole_networks(table):
    check = table.check
    ratio = np.array(check["predicted_ms"]) / np.array(check["measured_ms"])
    assert len(ratio) == check["networks"] <= 6
    assert check["mean_error"] == pytest.approx(np.abs(ratio - 1).mean())
    assert "Kendall tau" in table.text()
    assert json.loads(json.dumps(table.summary()))["pieces"] == len(table.entries)


def test_a_table_survives_its_file(table, tmp_path):
    table.save(tmp_path / "deep" / "pi.json")
    assert LatencyTable.load(tmp_path / "deep" / "pi.json") == table
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["pi.json"]


def test_a_table_of_whole_parts_says_what_to_do(table, tmp_path):
    table.save(tmp_path / "pi.json")
    data = json.loads((tmp_path / "pi.json").read_text())
    parts = [["stem in_channels=3", [3, 12, 12], 0.1, 0.01]]
    del data["pieces"]
    (tmp_path / "pi.json").write_text(json.dumps({**data, "latency_table": 1, "parts": parts}))
    law = r"version 1, but 2 is read\); measure it anew: nas latency --table JOB.yaml -o .*pi.json"
    with pytest.raises(ForeignTableError, match=law):
        LatencyTable.load(tmp_path / "pi.json")


def test_the_file_is_described(table, tmp_path):
    table.save(tmp_path / "pi.json")
    data = json.loads((tmp_path / "pi.json").read_text())
    docs = Path(__file__).parents[3] / "docs" / "json.md"
    described = docs.read_text(encoding="utf-8").split("## Latency tables")[1].split("\n## ")[0]
    for key in {**data, **data["conditions"], **data["check"], **table.summary()}:
        assert f"`{key}`" in described, key


@pytest.mark.parametrize("text", [None, "not json", "[]", '{"latency_table": 99}', "{}"])
def test_a_file_that_is_no_table(text, tmp_path):
    path = tmp_path / "pi.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ForeignTableError, match="nas latency --table JOB.yaml -o"):
        LatencyTable.load(path)


def test_a_table_of_another_space_says_what_is_missing(table, tmp_path):
    other = _space(attention=("none", "eca"))
    table.save(tmp_path / "pi.json")
    with pytest.raises(
        ForeignTableError, match=r"lacks `attention eca` on 8x6x6 and 1 more;.*--extend"
    ):
        provide_table(LatencyConfig(table="pi.json"), other, tmp_path)
    with pytest.raises(ForeignTableError, match="lacks"):
        NetworkCost(other, latency=table).costs_of(other.sample_codes(20, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("wishes", "change", "text"),
    [
        ({"device": "cuda"}, {}, "device"),
        ({"batch": 8}, {}, "batch"),
        ({"threads": 2}, {}, "threads"),
        ({}, {"torch": "1.13.1"}, "torch"),
    ],
)
def test_a_table_of_other_conditions_is_refused(table, space, tmp_path, wishes, change, text):
    conditions = dataclasses.replace(table.conditions, **change)
    dataclasses.replace(table, conditions=conditions).save(tmp_path / "pi.json")
    with pytest.raises(ForeignTableError, match=rf"holds for the {text}"):
        provide_table(LatencyConfig(table="pi.json", **wishes), space, tmp_path)


def test_a_table_from_another_machine_is_welcome_but_known_as_such(table, space, tmp_path):
    conditions = dataclasses.replace(table.conditions, device_name="Raspberry Pi 5 Model B")
    brought = dataclasses.replace(table, conditions=conditions)
    brought.save(tmp_path / "pi.json")
    assert provide_table(LatencyConfig(table="pi.json"), space, tmp_path) == brought
    assert table.is_of_this_machine
    assert not brought.is_of_this_machine
    with pytest.raises(ForeignTableError, match="Raspberry Pi 5"):
        measure_table(space, Settings(rounds=2, limit=ANY), extend=brought)


def test_a_table_is_extended_by_what_it_lacks(table, space):
    wider = _space(attention=("none", "se", "eca"))
    extended = measure_table(wider, Settings(rounds=3, limit=ANY), extend=table, checks=4)
    assert extended.entries.items() >= table.entries.items()
    added = extended.entries.keys() - table.entries.keys()
    assert added
    assert {key for key, _ in added} == {"attention eca"}
    assert extended.anchors == table.anchors


def test_a_run_keeps_its_table(space, tmp_path, monkeypatch):
    keep = tmp_path / "latency.json"
    wishes = LatencyConfig(rounds=2)
    monkeypatch.setattr("plugnas.nas.latency.provision.measure_table", _patient)
    made = provide_table(wishes, space, tmp_path, keep)
    monkeypatch.setattr(
        "plugnas.nas.latency.provision.measure_table",
        lambda *_, **__: pytest.fail("measured again"),
    )
    assert provide_table(wishes, space, tmp_path, keep) == made == LatencyTable.load(keep)


def _patient(space, settings, **options):
    return measure_table(space, dataclasses.replace(settings, limit=ANY), **options, checks=4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a cuda device here")
def test_a_cuda_device_that_is_not_there(space):
    with pytest.raises(LatencyError, match="the device cuda:0 is not there"):
        measure_architectures(
            space, [space.sample(np.random.default_rng(0))], Settings(device="cuda:0")
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a cuda device")
def test_cuda(space):
    chosen = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
    report = measure_architectures(space, chosen, Settings(device="cuda", rounds=5, limit=ANY))
    assert all(figure.ms > 0 for figure in report.figures)
    assert torch.cuda.get_device_name() in report.text()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"device": "tpu9"}, "device must be"),
        ({"device": "meta"}, "cpu or cuda"),
        ({"batch": 0}, "start at 1"),
        ({"threads": 0}, "start at 1"),
        ({"dtype": "int3"}, "dtype must be"),
        ({"memory_format": "nhwc"}, "memory format must be"),
        ({"rounds": 0}, "one round"),
    ],
)
def test_settings_that_are_none(space, options, text):
    with pytest.raises(LatencyError, match=text):
        measure_architectures(space, [space.sample(np.random.default_rng(0))], Settings(**options))


def test_the_processor_is_named():
    assert Conditions.here().device_name
