"""A net as a graph of nodes that passes can rewrite, read from and written to MXNet's symbol (as JSON) and params."""

import ast
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

VARIABLE = "null"
Shape = tuple[int, ...]
Symbol: TypeAlias = Any  # mxnet.symbol.Symbol; MXNet comes without types


@dataclass(eq=False, slots=True)
class Node:
    """An operator, or a variable (op "null"). attrs: as text, as MXNet keeps them. inputs: (node, number of its output)."""

    op: str
    name: str
    attrs: dict[str, str] = field(default_factory=dict)
    inputs: list[tuple["Node", int]] = field(default_factory=list)

    def value(self, name: str, default: Any = None) -> Any:
        """Returns an attribute as a Python value."""
        text = self.attrs.get(name)
        if text is None:
            return default
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    def source(self, number: int = 0) -> "Node":
        return self.inputs[number][0]


class Graph:
    """outputs: (node, number of its output). params: float32 arrays by the names of their variables."""

    def __init__(self, outputs: Sequence[tuple[Node, int]], params: dict[str, np.ndarray]):
        self.outputs = list(outputs)
        self.params = dict(params)

    # --- MXNet ---
    @classmethod
    def from_symbol(cls, symbol: Symbol, params: dict[str, np.ndarray]) -> "Graph":
        """params: named without MXNet's prefixes arg: and aux:."""
        content = json.loads(symbol.tojson())
        nodes: list[Node] = []
        for entry in content["nodes"]:
            inputs = [(nodes[number], output) for number, output, *_ in entry["inputs"]]
            nodes.append(Node(entry["op"], entry["name"], dict(entry.get("attrs", {})), inputs))
        return cls([(nodes[number], output) for number, output, *_ in content["heads"]], params)

    def to_symbol(self, mx: ModuleType) -> Symbol:
        return mx.sym.load_json(json.dumps(self.content()))

    def content(self) -> dict[str, Any]:
        """The nodes as MXNet's JSON has them, without the params' values."""
        nodes = self.nodes()
        number_of = {node: number for number, node in enumerate(nodes)}
        return {
            "nodes": [
                {
                    "op": node.op,
                    "name": node.name,
                    "attrs": node.attrs,
                    "inputs": [[number_of[source], output, 0] for source, output in node.inputs],
                }
                for node in nodes
            ],
            "arg_nodes": [number for node, number in number_of.items() if node.op == VARIABLE],
            "heads": [[number_of[node], output, 0] for node, output in self.outputs],
            "attrs": {"mxnet_version": ["int", 10901]},
        }

    def copy(self) -> "Graph":
        """Copies the nodes. The arrays are shared, because passes replace them and never write into them."""
        copies: dict[Node, Node] = {}
        for node in self.nodes():
            inputs = [(copies[source], output) for source, output in node.inputs]
            copies[node] = Node(node.op, node.name, dict(node.attrs), inputs)
        return Graph([(copies[node], output) for node, output in self.outputs], self.params)

    # --- Reading ---
    def nodes(self) -> list[Node]:
        """Lists everything the outputs depend on, inputs before their consumers."""
        found: dict[Node, None] = {}
        stack = [(node, False) for node, _ in reversed(self.outputs)]
        while stack:
            node, ready = stack.pop()
            if node in found:
                continue
            if ready:
                found[node] = None
                continue
            stack.append((node, True))
            stack.extend((source, False) for source, _ in reversed(node.inputs) if source not in found)
        return list(found)

    def consumers(self) -> dict[Node, list[Node | None]]:
        """Maps each node to those that read its outputs, once for each use; None stands for an output of the net."""
        users: dict[Node, list[Node | None]] = defaultdict(list)
        for node in self.nodes():
            for source, _ in node.inputs:
                users[source].append(node)
        for node, _ in self.outputs:
            users[node].append(None)
        return users

    def shapes(self, mx: ModuleType, data: Shape) -> dict[Node, Shape]:
        """Infers the shape of every node's first output for an input of shape `data`."""
        symbol = self.to_symbol(mx)
        internals = symbol.get_internals()
        known = {"data": data} | {name: array.shape for name, array in self.params.items()}
        used = set(symbol.list_inputs())
        _, shapes, _ = internals.infer_shape(**{name: shape for name, shape in known.items() if name in used})
        by_output = dict(zip(internals.list_outputs(), shapes, strict=True))
        return {
            node: by_output.get(node.name) or by_output.get(f"{node.name}_output") or by_output[f"{node.name}_output0"]
            for node in self.nodes()
        }

    def is_param(self, node: Node) -> bool:
        return node.op == VARIABLE and node.name in self.params

    def param(self, node: Node, number: int) -> np.ndarray:
        """Returns the value of the param that is the node's input `number`."""
        return self.params[node.source(number).name]

    # --- Changing ---
    def variable(self, name: str, value: np.ndarray) -> tuple[Node, int]:
        """Adds a param under `name`, with a number appended if that is taken."""
        unique, number = name, 1
        while unique in self.params:
            number += 1
            unique = f"{name}_{number}"
        self.params[unique] = np.ascontiguousarray(value, dtype="float32")
        return Node(VARIABLE, unique), 0

    def set_param(self, node: Node, number: int, value: np.ndarray, name: str) -> None:
        """Gives the node's input `number` a new param. The old one stays as it is: other nodes may share it."""
        entry = self.variable(f"{node.name}_{name}", value)
        if number < len(node.inputs):
            node.inputs[number] = entry
        else:
            node.inputs.append(entry)

    def replace(self, old: Node, new: Node) -> None:
        """Makes every consumer of `old`'s first output read `new`'s instead."""
        for node in self.nodes():
            if node is not new:
                node.inputs = [(new, 0) if entry == (old, 0) else entry for entry in node.inputs]
        self.outputs = [(new, 0) if entry == (old, 0) else entry for entry in self.outputs]

    def drop_unused_params(self) -> None:
        used = {node.name for node in self.nodes() if node.op == VARIABLE}
        self.params = {name: array for name, array in self.params.items() if name in used}
