"""A finite, conditional, categorical set of architectures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plugnas.space.architecture import Architecture
from plugnas.space.codes import Codes, CodeTree, Odds, Rule
from plugnas.space.encoding import Encoder
from plugnas.space.errors import SpaceError
from plugnas.space.foreign import param_space, suggested
from plugnas.space.parameter import Parameter, Token, Trial
from plugnas.space.plain import Choices, Refusals, plain_parameters, plain_rules, plain_size
from plugnas.space.reading import Text
from plugnas.space.training import is_setting
from plugnas.space.values import Values

if TYPE_CHECKING:  # what a network is made of needs torch
    from torch import nn

    from plugnas.space.compiling import Compiled
    from plugnas.space.config import SpaceConfig
    from plugnas.space.host.blueprint import HostBlueprint
    from plugnas.space.host.records import HostTrace
    from plugnas.space.network import Part
    from plugnas.space.piece import Shape
    from plugnas.space.sizes import Head
    from plugnas.space.slots import Position
    from plugnas.space.training import Recipe


class SearchSpace:
    """The choices of a search: sampled, varied, encoded, counted and, with a network, built.

    ``SearchSpace({"layer0": ["id", "mb3"], ...})`` is a plain space without a network behind it,
    for users with their own ``evaluate``; ``SearchSpace.from_config`` is that of a job.

    Args:
        choices: name -> a list of choices, or a mapping of each choice to the parameters that exist
            only under it: ``{"op": {"conv": {"kernel": [3, 5]}, "none": {}}}`` has the parameters
            ``op`` and ``op.conv.kernel``.
        families: choice -> its family, such as ``{"mb3": "mb", "mb6": "mb"}``.
        refuses: names of parameters -> a function of their values that says why they do not go
            together, or returns None: ``{("op", "stride"): lambda op, stride: ...}``.

    Raises:
        SpaceError: an empty or repeated choice list, values of mixed types, an unknown name.
    """

    def __init__(
        self,
        choices: Mapping[str, Choices],
        *,
        families: Mapping[Token, str] | None = None,
        refuses: Refusals | None = None,
    ) -> None:
        parameters = plain_parameters(choices, families)
        rules = plain_rules(parameters, refuses)
        self._setup(parameters, own_rules=rules)

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | SpaceConfig,
        input_shape: Shape,
        classes: int,
        *,
        base: Path | str = ".",
        trace: HostTrace | None = None,
        head: Head = "pooled",
        recipe: Recipe | None = None,
    ) -> SearchSpace:
        """Compile the ``space:`` section of a job.

        Args:
            config: the section; ``input_shape``: (C, H, W); ``classes``: how many are told apart.
            base: where a host's paths begin; ``trace``: its sites, with which no code of it runs.
            head: of a skeleton: an answer for each image (``pooled``) or pixel (``dense``).
            recipe: training settings; a list is a choice beside the modules (``space.training``).

        Raises:
            SpaceError, ConfigError: the section says what cannot be.
        """
        from plugnas.space.compiling import compiled

        return cls._of(*compiled(config, input_shape, classes, base, trace, head, recipe or {}))

    def on_host(self, host: HostBlueprint) -> SearchSpace:
        """Return the space of another compiled host with the same training settings."""
        return self._of(host, [p for p in self.parameters if is_setting(p)])

    @classmethod
    def _of(cls, blueprint: Compiled, settings: Sequence[Parameter]) -> SearchSpace:
        from plugnas.space.compiling import size_of

        self, counted = cls.__new__(cls), partial(size_of, blueprint, settings)
        self._setup((*blueprint.parameters, *settings), blueprint, counted)
        return self

    @classmethod
    def of_parameters(cls, parameters: Sequence[Parameter]) -> SearchSpace:
        """Return the space of these parameters, such as a record names them, without a network."""
        self = cls.__new__(cls)
        self._setup(parameters)
        return self

    def _setup(
        self,
        parameters: Sequence[Parameter],
        blueprint: Compiled | None = None,
        counted: Callable[[], int] | None = None,
        own_rules: Sequence[Rule] = (),
    ) -> None:
        self.parameters = tuple(parameters)
        found = (own_rules, ()) if blueprint is None else (blueprint.rules, blueprint.merges)
        self._tree = CodeTree(self.parameters, *found)
        self._blueprint = blueprint
        self._counted = counted or partial(plain_size, self.parameters, own_rules)
        self._values = Values(self.parameters, self._tree)
        self._encoder = Encoder(self.parameters)

    @property
    def has_network(self) -> bool:
        """Whether architectures of this space can be built."""
        return self._blueprint is not None

    @property
    def positions(self) -> tuple[Position, ...]:
        """The places of the network's parts; empty without a network."""
        return () if self._blueprint is None else self._blueprint.positions

    @cached_property
    def size(self) -> int:
        """The exact number of architectures: networks, refusals excluded (see ``count_ruled``)."""
        return self._counted()

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change whenever a parameter or choice does."""
        text = json.dumps([[p.name, p.choices, p.parent, p.when] for p in self.parameters])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def refusals(self) -> list[str]:
        """Return every refused combination of the space, in words."""
        return self._tree.refusals()

    # --- members --------------------------------------------------------------------------------

    def architecture(self, values: Mapping[str, Token]) -> Architecture:
        """Return the member with these values; inactive ones are dropped.

        Where another setting builds the same network, the member has the one that stands for both.

        Raises:
            SpaceError: an unknown parameter, a value outside its choices, an active one missing.
        """
        return self.architectures(self._values.row(values))[0]

    def adopt(self, values: Mapping[str, Token]) -> Architecture:
        """Return the member that builds the network which values of an older space describe.

        Settings that the older space did not name stood at their defaults, and so do those that
        this space no longer names.

        Raises:
            SpaceError: no member builds that network.
        """
        from plugnas.space.adoption import adopted

        return self.architecture(adopted(values, self.parameters, has_network=self.has_network))

    def members(self, values: Sequence[Text], ids: Sequence[str]) -> list[Architecture | None]:
        """Return the members that have exactly these values, None where there is none.

        ``values`` are JSON objects, ``ids`` those that were recorded with them; one that is not
        valid is computed anew. ``adopt`` and ``refusal`` say why one is missing.
        """
        rows, known = self._values.rows(values)
        return [
            Architecture._from_row(self, codes.tobytes(), own) if fine else None
            for own, codes, fine in zip(ids, rows, known.tolist(), strict=True)
        ]

    def codes(self, architectures: Sequence[Architecture]) -> Codes:
        """Return the code matrix, int16 (n, P): indices of choices, -1 where inactive."""
        rows = []
        for architecture in architectures:
            if architecture._space is not self:
                own = self.architecture(architecture._active())
                architecture._space, architecture._row = self, own._row
            rows.append(architecture._row)
        joined = b"".join(rows)  # type: ignore[arg-type]
        return np.frombuffer(joined, dtype=np.int16).reshape(len(rows), len(self.parameters))

    def architectures(self, codes: Codes) -> list[Architecture]:
        """Return the architectures of the rows of a canonical code matrix."""
        data = np.ascontiguousarray(codes, dtype=np.int16)
        return [Architecture._from_row(self, row.tobytes()) for row in data]

    def allowed(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows no module refuses."""
        return self._tree.allowed(codes)

    def refusal(self, architecture: Architecture) -> str | None:
        """Return why a module refuses its site in this architecture, or None."""
        return self._tree.refusal(self.codes([architecture]))

    # --- moving about ---------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw one allowed architecture, each active choice uniformly."""
        return self.architectures(self.sample_codes(1, rng))[0]

    def sample_codes(self, n: int, rng: np.random.Generator, odds: Odds | None = None) -> Codes:
        """Draw n allowed rows, each active choice uniformly, or by the odds of a column."""
        return self._tree.sample(n, rng, odds)

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Return all allowed architectures that differ in one choice."""
        return self.architectures(self._tree.neighbours(self.codes([architecture])[0]))

    def mutate_codes(self, codes: Codes, rng: np.random.Generator, local: float = 0.5) -> Codes:
        """Change one active choice per row, with probability ``local`` within its family."""
        return self._tree.mutate(codes, rng, local)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Mix two architectures choice by choice."""
        return self.architectures(self.crossover_codes(self.codes([a]), self.codes([b]), rng))[0]

    def crossover_codes(self, a: Codes, b: Codes, rng: np.random.Generator) -> Codes:
        """Mix two code matrices row by row; a refused child is replaced by its first parent."""
        return self._tree.crossover(a, b, rng)

    def suggest(self, trial: Trial) -> Architecture:
        """Ask an Optuna trial for every active choice, in order; the result may be refused."""
        return self.architecture(suggested(self.parameters, trial))

    def param_space(self) -> dict[str, Any]:
        """Return the space for Ray Tune, inactive choices included; see ``architecture``."""
        return param_space(self.parameters)

    def enumerate(self, chunk: int = 4096) -> Iterator[Codes]:
        """Yield code matrices that together hold every allowed architecture once."""
        return self._tree.enumerate(chunk)

    def encode(self, codes: Codes) -> NDArray[np.float32]:
        """Return features (n, F) for a model; ``feature_names`` names the columns."""
        return self._encoder.encode(codes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of ``encode``."""
        return self._encoder.names

    # --- networks -------------------------------------------------------------------------------

    @property
    def host(self) -> HostBlueprint | None:
        """The compiled host where modules are plugged into one: its trace, groups and start."""
        from plugnas.space.host.blueprint import HostBlueprint

        return self._blueprint if isinstance(self._blueprint, HostBlueprint) else None

    def parts(self, architecture: Architecture) -> tuple[Part, ...]:
        """Return the parts of the architecture's network, in order."""
        return self._network().parts(architecture._active())

    def part_at(self, position: Position, row: Sequence[int]) -> Part | None:
        """Return the part at a position under codes of its columns; None where it is absent."""
        values = {
            self.parameters[c].name: self.parameters[c].choices[code]
            for c, code in zip(position.columns, row, strict=True)
            if code >= 0
        }
        return self._network().part_at(position.name, values)

    def build(self, architecture: Architecture) -> nn.Module:
        """Build the network: a skeleton's with fresh weights, a host with its own and plugs.

        Raises:
            SpaceError: the space has no network. RefusedError: a module refuses its site.
        """
        return self._network().build(architecture._active())

    def _network(self) -> Compiled:
        if self._blueprint is None:
            raise SpaceError("this space is a plain dict of choices: it has no network to build")
        return self._blueprint

    def __repr__(self) -> str:
        return f"SearchSpace({len(self.parameters)} parameters, {self.size:.3g} architectures)"
