"""A net as nodes that passes can rewrite: MXNet's symbol (its JSON) and params on one side, a small graph on the other."""

import ast
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

VARIABLE = "null"
Shape = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Node:
    """An operator, or a variable (op "null"). attrs are texts, as MXNet keeps them. inputs: (node, which output of it)."""

    op: str
    name: str
    attrs: dict[str, str] = field(default_factory=dict)
    inputs: list[tuple["Node", int]] = field(default_factory=list)

    def value(self, name: str, default=None):
        """An attribute as a Python value."""
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
    """outputs: (node, which output of it). params: float32 arrays by the names of the variables."""

    def __init__(self, outputs: Sequence[tuple[Node, int]], params: dict[str, np.ndarray]):
        self.outputs = list(outputs)
        self.params = dict(params)

    # --- From and to MXNet ---
    @classmethod
    def from_symbol(cls, symbol, params: dict[str, np.ndarray]) -> "Graph":
        """params without MXNet's prefixes arg: and aux:."""
        content = json.loads(symbol.tojson())
        nodes: list[Node] = []
        for entry in content["nodes"]:
            inputs = [(nodes[number], output) for number, output, *_ in entry["inputs"]]
            nodes.append(Node(entry["op"], entry["name"], dict(entry.get("attrs", {})), inputs))
        return cls([(nodes[number], output) for number, output, *_ in content["heads"]], params)

    def to_symbol(self, mx):
        nodes = self.nodes()
        number_of = {node: number for number, node in enumerate(nodes)}
        content = {
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
        return mx.sym.load_json(json.dumps(content))

    def copy(self) -> "Graph":
        """Nodes of its own; the arrays are shared, as passes replace them and never write into them."""
        twins: dict[Node, Node] = {}
        for node in self.nodes():
            inputs = [(twins[source], output) for source, output in node.inputs]
            twins[node] = Node(node.op, node.name, dict(node.attrs), inputs)
        return Graph([(twins[node], output) for node, output in self.outputs], self.params)

    # --- Looking ---
    def nodes(self) -> list[Node]:
        """Everything the outputs depend on, inputs before their consumers."""
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

    def consumers(self) -> dict[Node, list[Node]]:
        """Who takes each node's outputs, once for each use; the net's own outputs count as None."""
        users = defaultdict(list)
        for node in self.nodes():
            for source, _ in node.inputs:
                users[source].append(node)
        for node, _ in self.outputs:
            users[node].append(None)
        return users

    def shapes(self, mx, data: Shape) -> dict[Node, Shape]:
        """The shape of every node's first output for an input of shape `data`."""
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
        """The value of the param that is the node's input `number`."""
        return self.params[node.source(number).name]

    # --- Changing ---
    def variable(self, name: str, value: np.ndarray) -> tuple[Node, int]:
        """A new param, under `name` or that with a number where it is taken."""
        unique, number = name, 1
        while unique in self.params:
            number += 1
            unique = f"{name}_{number}"
        self.params[unique] = np.ascontiguousarray(value, dtype="float32")
        return Node(VARIABLE, unique), 0

    def set_param(self, node: Node, number: int, value: np.ndarray, name: str) -> None:
        """Gives the node's input `number` a value of its own: params can be shared between nodes."""
        entry = self.variable(f"{node.name}_{name}", value)
        if number < len(node.inputs):
            node.inputs[number] = entry
        else:
            node.inputs.append(entry)

    def replace(self, old: Node, new: Node) -> None:
        """Lets every consumer of `old`'s first output take `new`'s instead."""
        for node in self.nodes():
            if node is not new:
                node.inputs = [(new, 0) if entry == (old, 0) else entry for entry in node.inputs]
        self.outputs = [(new, 0) if entry == (old, 0) else entry for entry in self.outputs]

    def drop_unused_params(self) -> None:
        used = {node.name for node in self.nodes() if node.op == VARIABLE}
        self.params = {name: array for name, array in self.params.items() if name in used}
