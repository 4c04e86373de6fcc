"""One reader, one view: what a search returns is what every command reads."""

from __future__ import annotations

import json
import warnings

import pytest

import plugnas
from plugnas.modules import PlugnasError
from plugnas.nas.cli import main
from plugnas.nas.confirm.outcome import read as read_confirmation
from plugnas.nas.cost import NetworkCost
from plugnas.nas.ledger.ledger import Ledger, LedgerWarning
from plugnas.nas.ledger.lines import seal
from plugnas.nas.report.dashboard import optuna, storage_of
from plugnas.nas.report.data import gather
from plugnas.nas.run.view import RunView, open_run
from plugnas.space import SearchSpace
from tests.nas.report.synthetic_run import make_run

CHOICES = {f"layer{i}": ["id", "mb3", "mb6"] for i in range(4)}
PRICE = {"id": 0.0, "mb3": 1.0, "mb6": 3.0}


def flops(architecture):
    return {"flops": 1.0 + sum(PRICE[v] for v in architecture.values.values())}


def loss(architecture, rung, seed):
    return {"loss": 40.0 / flops(architecture)["flops"]}


def search(**changes):
    asked = {
        "evaluate": loss,
        "cost": flops,
        "objectives": {"loss": "min", "flops": "min"},
        "trials": 12,
        "sampler": "random",
        **changes,
    }
    return plugnas.search(SearchSpace(CHOICES), **asked)


# --- one reader -------------------------------------------------------------------------------


@pytest.fixture
def changed(tmp_path):
    """A run one of whose networks had another number of parameters when it was measured."""
    run = make_run(tmp_path / "run", trials=30)
    lines = run.ledger.read_text().splitlines()
    best = open_run(run.path).pick("best").numbers[0]
    for i, line in enumerate(lines):
        record = json.loads(line)
        if record.get("number") == best:
            record["costs"]["params"] += 7
            lines[i] = seal(record).decode().strip()
        elif "ledger" in record:  # as a session of another version would have left it
            lines[i] = seal({**record, "counted_with": "0" * 16}).decode().strip()
    run.ledger.write_text("\n".join(lines) + "\n")
    return run, best


def test_every_command_leaves_out_what_a_search_would(changed, capsys):
    run, number = changed
    view = open_run(run.path)
    (misfit,) = view.misfits
    assert misfit.number == number
    assert "parameters when it was measured" in misfit.reason
    assert number not in [m.number for m in view.measurements]
    with pytest.warns(LedgerWarning, match="1 of 30 measurements does not fit"):
        space = run.space()
        ledger = Ledger.open(run.ledger, space, cost=NetworkCost(space))
    ledger.close()
    assert [m.number for m in ledger.measurements] == [m.number for m in view.measurements]
    for words in (["front"], ["front", "--csv"], ["explain"], ["status"]):
        assert main([words[0], str(run.path), *words[1:]]) == 0
        out = capsys.readouterr().out
        assert ("1 of 30 measurements does not fit" in out) == ("--csv" not in words)
    for command in ("front", "explain", "status"):
        assert main([command, str(run.path), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["misfits"] == 1
    assert told["measurements"] == 29
    data = gather(view)
    assert data["counts"]["misfits"] == 1
    assert all(number not in n["numbers"] for n in data["networks"])
    storage = storage_of(view)
    trials = [t for s in optuna.get_all_study_summaries(storage) for t in [s.n_trials]]
    assert sum(trials) == 29


def test_what_the_last_session_counted_is_not_counted_again(changed, monkeypatch):
    run, _ = changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        space = run.space()
        Ledger.open(run.ledger, space, cost=NetworkCost(space)).close()
    monkeypatch.setattr(NetworkCost, "costs_of", None)  # whoever counts fails
    view = open_run(run.path)
    assert len(view.misfits) == 1
    assert "parameters when it was measured" in view.misfits[0].reason


def test_status_compiles_no_network_and_agrees(tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path / "run", trials=30)
    view = open_run(run.path)
    monkeypatch.setattr(SearchSpace, "from_config", None)  # as where the host's package is missing
    assert main(["status", str(run.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [m["id"] for m in told["front"]] == [m.id for m in view.front]
    assert told["hypervolume"] == view.hypervolume
    assert told["measurements"] == 30


def test_a_damaged_line_is_refused_by_every_reader(tmp_path, capsys):
    run = make_run(tmp_path / "run", trials=12)
    folder = run.path / "confirm"
    folder.mkdir()
    (folder / "confirm.jsonl").write_text('{"ledger": 1, "space": "x"}\n{"numb\n{"ledger": 1}\n')
    for words in (["confirm", "--show"], ["export"], ["front"]):
        assert main([words[0], str(run.path), *words[1:]]) == 2
        assert "line 2" in capsys.readouterr().err
    with pytest.raises(PlugnasError, match="line 2"):
        read_confirmation(open_run(run.path))


def test_the_front_is_that_of_the_job_s_top_rung_everywhere(tmp_path, capsys):
    """A run whose highest rung has measured nothing yet has no front, whoever asks."""
    proxy = {"rungs": [{"epochs": 1}, {"epochs": 4}]}
    run = make_run(tmp_path / "run", trials=8, proxy=proxy)  # all of it at rung 0
    assert open_run(run.path).front == []
    assert main(["status", str(run.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["front"], told["best"], told["hypervolume"]) == ([], None, None)


# --- a search returns the view that the commands read -----------------------------------------


def same(a: RunView, b: RunView) -> bool:
    return (
        a.measurements == b.measurements
        and a.front == b.front
        and a.hypervolume == b.hypervolume
        and a.reference == b.reference
        and a.table() == b.table()
        and dict(a.objectives) == dict(b.objectives)
    )


def test_a_search_returns_what_open_reads(tmp_path):
    found = search(run_dir=tmp_path / "run", budget={"flops": 9})
    again = plugnas.open(tmp_path / "run")
    assert type(found) is type(again) is RunView
    assert same(found, again)
    assert (found.reason, again.reason) == ("done", None)
    assert same(found, search(run_dir=tmp_path / "run", budget={"flops": 9}))


def test_rungs_of_a_search_are_those_of_its_run(tmp_path):
    found = search(run_dir=tmp_path / "run", rungs=2, trials=9)
    assert found.top_rung == plugnas.open(tmp_path / "run").top_rung == 1
    assert 0 < len(found.members) < 9


def test_every_command_reads_a_search_from_python(tmp_path, capsys):
    found = search(run_dir=tmp_path / "run", trials=40)
    run = str(tmp_path / "run")

    def printed(*words):
        assert main(list(words)) == 0
        return json.loads(capsys.readouterr().out)

    front = printed("front", run, "--json")
    assert [m["id"] for m in front["front"]] == [m.id for m in found.front]
    status = printed("status", run, "--json")
    assert front["hypervolume"] == status["hypervolume"] == found.hypervolume
    assert front["reference"] == dict(zip(found.objectives, found.reference, strict=True))
    assert status["best"] == {"loss": found.pick("best")["loss"]}
    told = printed("explain", run, "--json")
    assert told["model"]["metric"] == "loss"
    assert main(["front", run]) == 0
    assert "loss is as `evaluate` returned it" in capsys.readouterr().out
    for name in ("front.csv", "front.png", "report.html"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    for words in (["export"], ["confirm"], ["explain", "--settle", "layer0"]):
        assert main([words[0], run, *words[1:]]) == 2
        assert "was searched from Python" in capsys.readouterr().err


def test_what_a_search_from_python_left_out_stays_left_out(tmp_path):
    def params(each):
        return lambda a: {"params": each * sum(v != "id" for v in a.values.values())}

    asked = {"objectives": {"loss": "min"}, "run_dir": tmp_path / "run"}
    search(cost=params(100.0), **asked)
    with pytest.warns(LedgerWarning, match="12 of 12"):
        found = search(cost=params(120.0), trials=15, **asked)
    view = plugnas.open(tmp_path / "run")  # knows no cost function
    assert len(view.misfits) == len(found.misfits) == 12
    assert same(found, view)


def test_a_network_space_is_read_without_its_network(tmp_path):
    config = {"stages": [{"width": [4, 8]}], "slots": {"attention": ["none", "se"]}}
    space = SearchSpace.from_config(config, (1, 8, 8), 10)
    found = plugnas.search(
        space, evaluate=lambda a, r, s: {"accuracy": 0.5}, run_dir=tmp_path / "run", trials=4
    )
    view = plugnas.open(tmp_path / "run")
    assert not view.space.has_network
    assert view.space.fingerprint == space.fingerprint
    assert view.space.size == space.size
    assert same(found, view)


def test_python_does_not_search_into_the_run_of_a_job(tmp_path):
    run = make_run(tmp_path / "run", trials=1)
    before = run.ledger.read_text()
    with pytest.raises(PlugnasError, match="is the run of a job"):
        search(run_dir=run.path)
    assert run.ledger.read_text() == before


def test_a_search_that_kept_nothing_has_no_directory():
    found = search()
    with pytest.raises(PlugnasError, match="give plugnas.search a run_dir"):
        found.run.path  # noqa: B018 - the attribute is what raises


# --- objectives are named by the job ----------------------------------------------------------


def test_picks_follow_the_job_s_objectives():
    """Defect: `best` was the worst, `smallest` said nan, `flops<=` raised a bare ValueError."""
    found = search(
        evaluate=lambda a, r, s: {"score": flops(a)["flops"] / 13},
        objectives={"score": "max", "flops": "min"},
        trials=30,
    )
    assert found.pick("best")["score"] == max(m["score"] for m in found.members)
    assert found.pick("smallest:0.5")["flops"] == min(
        m["flops"] for m in found.members if m["score"] >= 0.5
    )
    assert found.pick("flops<=2.5")["flops"] == max(
        m["flops"] for m in found.members if m["flops"] <= 2.5
    )
    with pytest.raises(PlugnasError, match="nothing reaches score 2; the best has 0.8462"):
        found.pick("smallest:2")


def test_picks_of_a_minimised_metric():
    found = search(trials=40)
    assert found.metric.name == "loss"
    assert found.pick("best")["loss"] == min(m["loss"] for m in found.members)
    picked = found.pick("smallest:10")
    assert picked["loss"] <= 10
    assert picked["flops"] == min(m["flops"] for m in found.members if m["loss"] <= 10)
    assert found.pick("flops<=5")["loss"] == min(
        m["loss"] for m in found.members if m["flops"] <= 5
    )


def test_the_main_objective_may_come_second():
    found = search(objectives={"flops": "min", "loss": "min"})
    assert (found.metric.name, found.cost) == ("loss", "flops")


def test_without_any_cost_there_is_a_front_and_a_page(tmp_path, capsys):
    found = search(cost=None, objectives={"loss": "min"}, run_dir=tmp_path / "run")
    assert len(found.front) == 1
    assert main(["front", str(tmp_path / "run")]) == 0
    data = gather(found)
    assert (data["cost"], data["costs"]) == ("evaluation", ["evaluation"])
    assert sorted(n["costs"]["evaluation"] for n in data["networks"]) == list(range(1, 13))
