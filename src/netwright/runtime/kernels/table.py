"""What torch's operations are as rows of the table that `step.c` goes through. Raises `Unknown` for what it cannot do."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
AXES, OPERANDS = 6, 4
TYPES = {torch.float32: 0, torch.float64: 1, torch.int64: 2, torch.int32: 3, torch.bool: 4, torch.uint8: 4}
CODES = (
    "COPY", "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "CLAMP", "ADDCMUL", "RELU", "RELU_BACK", "SIGMOID", "SIGMOID_BACK",
    "TANH", "TANH_BACK", "SILU", "SILU_BACK", "GELU", "GELU_BACK", "EXP", "SQRT", "RSQRT", "RECIPROCAL", "ABS", "SIGN", "SQUARE", "SQUARE_BACK",
    "LOG", "POWER", "EQUAL", "ABOVE", "BELOW", "FROM", "UP_TO", "NOT", "IS_NAN", "WHERE", "SUM", "NORM", "PRODUCT", "PICK", "SPREAD", "LOG_SOFTMAX",
    "LOG_SOFTMAX_BACK", "CHOSEN", "CHOSEN_BACK", "PLACE", "RUNNING", "ADAM", "SGD", "DRAW",
)  # fmt: skip
# what C also does one by one
ANY_TYPE = CODES[: CODES.index("ADDCMUL")] + CODES[CODES.index("LOG") : CODES.index("SUM")]
NUMBER = {name: number for number, name in enumerate(CODES)}


class Op(ctypes.Structure):
    """A row of the table, as in `step.c`."""

    _fields_ = [
        ("code", ctypes.c_int64), ("size", ctypes.c_int64 * AXES), ("apart", ctypes.c_int64 * AXES * OPERANDS),
        ("type", ctypes.c_int64 * OPERANDS), ("at", ctypes.c_void_p * (OPERANDS + 2)), ("number", ctypes.c_double * 4),
    ]  # fmt: skip


class Unknown(Exception):
    """What C cannot do: torch does it."""


@functools.cache
def multiply() -> ctypes.c_void_p | None:
    """The address of the product of matrices that torch's own library holds; None where it shows none."""
    folder = Path(torch.__file__).parent / "lib"
    for file in sorted(folder.glob("libtorch_cpu.*")):
        try:
            return ctypes.cast(ctypes.CDLL(str(file)).sgemm_, ctypes.c_void_p)
        except (OSError, AttributeError):
            continue
    return None


def rows(func: Any, args: Any, kwargs: Any, out: Any, held: list[Any]) -> list[Op]:
    """Return the rows that do what a call does; what they point to is put into `held`. Raises `Unknown`."""
    if func in MAPS:
        name, take = MAPS[func]
        operands, numbers = take(*args, **kwargs)
        goal = args[0] if func._schema.is_mutable else out
        return [_map(name, goal, operands, numbers, held)]
    if func in OTHERS:
        return list(OTHERS[func](out, held, *args, **kwargs))
    raise Unknown(func)


def _map(name: str, out: Tensor, operands: Iterable[Any], numbers: Iterable[float], held: list[Any]) -> Op:
    """A row for what is done to each number; operands are spread over the result's axes."""
    operands = list(operands)
    dtype = out.dtype
    if dtype == torch.bool:  # a comparison: in the type of what is compared
        kinds = [operand.dtype for operand in operands if isinstance(operand, Tensor)]
        dtype = next((kind for kind in kinds if kind.is_floating_point), torch.float64)
    parts = [out]
    for operand in operands:
        if not isinstance(operand, Tensor):
            operand = torch.tensor(operand, dtype=dtype)
            held.append(operand)
        parts.append(operand.expand(out.shape))
    if not _is_real(*parts) and (name not in ANY_TYPE or out.dtype == torch.uint8):
        raise Unknown(name)
    return _row(name, out.shape, parts, numbers)


def _row(name: str, shape: Iterable[int], parts: list[Tensor], numbers: Iterable[float], by: int = 0) -> Op:
    """A row over axes of a shape, in part `by`'s order and as few as there may be: neighbours that lie together become one."""
    if any(part.dtype not in TYPES for part in parts):
        raise Unknown(name)
    axes = [(size, *(part.stride(axis) for part in parts)) for axis, size in enumerate(shape) if size != 1]
    axes.sort(key=lambda axis: (-axis[1 + by], *(-step for step in axis[1:])))
    whole: list[tuple[int, ...]] = []
    for axis in axes:
        if whole and all(long == step * axis[0] for long, step in zip(whole[-1][1:], axis[1:], strict=True)):
            whole[-1] = (whole[-1][0] * axis[0], *axis[1:])
        else:
            whole.append(axis)
    if len(whole) > AXES:
        raise Unknown(name)
    op = Op(code=NUMBER[name])
    whole = [(1, *(0 for _ in parts))] * (AXES - len(whole)) + whole
    for axis, (size, *steps) in enumerate(whole):
        op.size[axis] = size
        for number, step in enumerate(steps):
            op.apart[number][axis] = step
    for number, part in enumerate(parts):
        op.at[number], op.type[number] = part.data_ptr(), TYPES[part.dtype]
    for number, value in enumerate(numbers):
        op.number[number] = value
    return op


def _plain(name: str, sizes: Iterable[int], parts: Iterable[Tensor], numbers: Iterable[float] = ()) -> Op:
    """A row of an operation that has sizes of its own, whose numbers lie together."""
    op = Op(code=NUMBER[name])
    for axis, size in enumerate(sizes):
        op.size[axis] = size
    for number, part in enumerate(parts):
        if not part.is_contiguous() or part.dtype not in TYPES:
            raise Unknown(name)
        op.at[number] = part.data_ptr()
    for number, value in enumerate(numbers):
        op.number[number] = value
    return op


def _is_real(*tensors: Tensor) -> bool:
    return all(tensor.dtype == torch.float32 for tensor in tensors)


def _real(*tensors: Tensor) -> None:
    if not _is_real(*tensors):
        raise Unknown("not floats of 32 bits")


def _together(tensor: Tensor, held: list[Any]) -> tuple[list[Op], Tensor]:
    """A tensor whose numbers lie together, and what copies them there."""
    if tensor.is_contiguous():
        return [], tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype)
    held.append(copy)
    return [_map("COPY", copy, [tensor], (), held)], copy


# what is done to each number: its name in C, and its operands and numbers from torch's arguments


def _plus(a: Any, b: Any, *, alpha: float = 1) -> tuple[list[Any], list[float]]:
    return [a, b], [alpha]


def _as_is(*given: Any) -> tuple[list[Any], list[float]]:
    return list(given), []


def _copied(a: Tensor, **_: Any) -> tuple[list[Any], list[float]]:
    return [a], []


def _each_alone(a: Tensor, b: Tensor, reduction: int = 1) -> tuple[list[Any], list[float]]:
    if reduction:
        raise Unknown("summed")
    return [a, b], []


def _exact(*given: Any, approximate: str = "none") -> tuple[list[Any], list[float]]:
    if approximate != "none":
        raise Unknown("approximate")
    return list(given), []


def _square_back(grad: Tensor, a: Tensor, b: Tensor, reduction: int) -> tuple[list[Any], list[float]]:
    return [grad, a, b], [2 / a.numel() if reduction == 1 else 2]


def _between(a: Tensor, low: float | None = None, high: float | None = None) -> tuple[list[Any], list[float]]:
    return [a], [-math.inf if low is None else low, math.inf if high is None else high]


MAPS: dict[Any, tuple[str, Callable[..., tuple[list[Any], list[float]]]]] = {
    aten.clone.default: ("COPY", _copied), aten._to_copy.default: ("COPY", _copied), aten.copy_.default: ("COPY", lambda a, b, *_: ([b], [])),
    aten.add.Tensor: ("ADD", _plus), aten.add_.Tensor: ("ADD", _plus), aten.sub.Tensor: ("SUB", _plus),
    aten.sub_.Tensor: ("SUB", _plus),
    aten.rsub.Scalar: ("SUB", lambda a, b, alpha=1: ([b, a], [alpha])),
    aten.mul.Tensor: ("MUL", _as_is), aten.mul.Scalar: ("MUL", _as_is), aten.mul_.Tensor: ("MUL", _as_is), aten.mul_.Scalar: ("MUL", _as_is),
    aten.div.Tensor: ("DIV", _as_is), aten.div.Scalar: ("DIV", _as_is), aten.div_.Scalar: ("DIV", _as_is), aten.neg.default: ("MUL", lambda a: ([a, -1.0], [])),
    aten.maximum.default: ("MAXIMUM", _as_is), aten.minimum.default: ("MINIMUM", _as_is), aten.clamp.default: ("CLAMP", _between),
    aten.clamp_min.default: ("CLAMP", _between), aten.addcmul.default: ("ADDCMUL", lambda a, b, c, *, value=1: ([a, b, c], [value])),
    aten.relu.default: ("RELU", _as_is), aten.threshold_backward.default: ("RELU_BACK", lambda g, a, t: ([g, a], [t])),
    aten.sigmoid.default: ("SIGMOID", _as_is), aten.sigmoid_backward.default: ("SIGMOID_BACK", _as_is),
    aten.tanh.default: ("TANH", _as_is), aten.tanh_backward.default: ("TANH_BACK", _as_is),
    aten.gelu.default: ("GELU", _exact), aten.gelu_backward.default: ("GELU_BACK", _exact),
    aten.silu.default: ("SILU", _as_is), aten.silu_backward.default: ("SILU_BACK", _as_is),
    aten.exp.default: ("EXP", _as_is), aten.log.default: ("LOG", _as_is), aten.sqrt.default: ("SQRT", _as_is), aten.rsqrt.default: ("RSQRT", _as_is),
    aten.reciprocal.default: ("RECIPROCAL", _as_is), aten.abs.default: ("ABS", _as_is), aten.sgn.default: ("SIGN", _as_is),
    aten.pow.Tensor_Scalar: ("POWER", lambda a, f: ([a], [f])), aten.mse_loss.default: ("SQUARE", _each_alone),
    aten.mse_loss_backward.default: ("SQUARE_BACK", _square_back), aten.eq.Tensor: ("EQUAL", _as_is), aten.eq.Scalar: ("EQUAL", _as_is),
    aten.gt.Tensor: ("ABOVE", _as_is), aten.gt.Scalar: ("ABOVE", _as_is), aten.lt.Tensor: ("BELOW", _as_is), aten.lt.Scalar: ("BELOW", _as_is),
    aten.ge.Tensor: ("FROM", _as_is), aten.ge.Scalar: ("FROM", _as_is), aten.le.Tensor: ("UP_TO", _as_is), aten.le.Scalar: ("UP_TO", _as_is),
    aten.masked_fill_.Scalar: ("WHERE", lambda a, mask, value: ([mask, value, a], [])),
    aten.bitwise_not.default: ("NOT", _as_is), aten.logical_not.default: ("NOT", _as_is), aten.isnan.default: ("IS_NAN", _as_is),
    aten.where.self: ("WHERE", _as_is), aten.masked_fill.Scalar: ("WHERE", lambda a, mask, value: ([mask, value, a], [])),
}  # fmt: skip


# operations of other forms


def _summed(out: Tensor, held: list[Any], x: Tensor, axes: Any = None, keep: bool = False, *, dtype: Any = None) -> Iterator[Op]:  # fmt: skip
    yield _over("SUM", out, x, axes, keep, 1.0)


def _averaged(out: Tensor, held: list[Any], x: Tensor, axes: Any = None, keep: bool = False, *, dtype: Any = None) -> Iterator[Op]:  # fmt: skip
    yield _over("SUM", out, x, axes, keep, out.numel() / x.numel())


def _over(name: str, out: Tensor, x: Tensor, axes: Any, keep: bool, times: float) -> Op:
    """A row of what sums `x` over some axes: the result stands still along them."""
    _real(out, x)
    if not out.is_contiguous():
        raise Unknown(name)
    gone = {axis % max(x.ndim, 1) for axis in axes} if axes else set(range(x.ndim))
    left = iter(out.stride() if not keep else [step for axis, step in enumerate(out.stride()) if axis not in gone])
    steps = [0 if axis in gone else next(left) for axis in range(x.ndim)]
    return _row(name, x.shape, [out.as_strided(x.shape, steps), x], [times], by=1)


def _norm(out: Tensor, held: list[Any], x: Tensor, order: float = 2, *rest: Any, **_: Any) -> Iterator[Op]:
    if order != 2 or rest:
        raise Unknown("norm")
    yield _over("NORM", out, x, None, False, 1.0)


def _norms(out: list[Tensor], held: list[Any], xs: list[Tensor], order: float = 2, *_: Any) -> Iterator[Op]:
    for y, x in zip(out, xs, strict=True):
        yield from _norm(y, held, x, order)


def _times(out: Any, held: list[Any], xs: list[Tensor], by: Tensor) -> Iterator[Op]:
    for x in xs:
        yield _map("MUL", x, [x, by], (), held)


def _more(out: Any, held: list[Any], xs: list[Tensor], by: float) -> Iterator[Op]:
    for x in xs:
        yield _map("ADD", x, [x, 1.0], [by], held)


def _product(out: Tensor, held: list[Any], a: Tensor, b: Tensor) -> Iterator[Op]:
    yield from _gemm(out, held, a, b, None)


def _product_plus(out: Tensor, held: list[Any], bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Iterator[Op]:  # fmt: skip
    if beta != 1 or alpha != 1:
        raise Unknown("scaled product")
    yield from _gemm(out, held, a, b, bias)


def _gemm(out: Tensor, held: list[Any], a: Tensor, b: Tensor, bias: Tensor | None) -> list[Op]:
    _real(out, a, b, *([] if bias is None else [bias]))
    if multiply() is None:
        raise Unknown("no product of matrices")
    (*_, m, n), k = out.shape, a.shape[-1]
    if bias is not None:
        bias = bias.expand(out.shape)
    made, parts = [], [out]
    for part in (a, b):
        more, part = ([], part) if _lines(part) else _together(part, held)
        made += more
        parts.append(part)
    laid = [_lines(part) for part in parts]
    if laid[0] is None or laid[0][1] != 1:
        raise Unknown("layout")
    op = Op(code=NUMBER["PRODUCT"])
    op.size[:4] = [out.shape[0] if out.ndim == 3 else 1, m, n, k]
    laid.append(None if bias is None else (bias.stride(-2), bias.stride(-1)))
    for number, (part, lines) in enumerate(zip([*parts, bias], laid, strict=True)):
        if part is not None and lines is not None:
            op.apart[number][:3] = [part.stride(0) if part.ndim == 3 else 0, *lines]
            op.at[number] = part.data_ptr()
    return [*made, op]


def _lines(matrix: Tensor) -> tuple[int, int] | None:
    """How far apart a matrix's rows and columns are, one of them by one; None where neither lies together."""
    (rows, columns), (row, column) = matrix.shape[-2:], matrix.stride()[-2:]
    if columns == 1:
        row, column = max(row, 1), 1
    elif rows == 1:
        row, column = (columns, 1) if column == 1 else (1, column)
    if column == 1 and row >= columns:
        return row, 1
    return (1, column) if row == 1 and column >= rows else None


def _rows_of(out: Tensor, held: list[Any], x: Tensor, axis: int, ids: Tensor) -> Iterator[Op]:
    """index_select."""
    made, x = _together(x, held)
    more, ids = _together(ids, held)
    if ids.dtype != torch.int64:
        raise Unknown("numbers of rows")
    axis %= x.ndim
    before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    goal = out if out.is_contiguous() else torch.empty(out.shape, dtype=out.dtype)
    held.append(goal)
    yield from (*made, *more)
    yield _plain("PICK", (before, ids.numel(), after, x.shape[axis], x.element_size()), (goal, x, ids))
    if goal is not out:
        yield _map("COPY", out, [goal], (), held)


def _embedded(out: Tensor, held: list[Any], table: Tensor, ids: Tensor, *_: Any) -> Iterator[Op]:
    yield from _rows_of(out, held, table, 0, ids)


def _indexed(out: Tensor, held: list[Any], x: Tensor, ids: list[Any]) -> Iterator[Op]:
    if len(ids) != 1 or ids[0] is None:
        raise Unknown("several indices")
    yield from _rows_of(out, held, x, 0, ids[0])


def _spread(
    out: Tensor, held: list[Any], grad: Tensor, ids: Tensor, count: int, padding: int, by_count: bool
) -> Iterator[Op]:
    if padding >= 0 or by_count or ids.dtype != torch.int64:
        raise Unknown("padding")
    _real(grad, out)
    made, grad = _together(grad, held)
    more, ids = _together(ids, held)
    yield from (*made, *more)
    yield _plain("SPREAD", (ids.numel(), out[0].numel(), count), (out, grad, ids))


def _softmax(out: Tensor, held: list[Any], x: Tensor, axis: int, half: bool) -> Iterator[Op]:
    _real(out, x)
    if axis % x.ndim != x.ndim - 1:
        raise Unknown("axis")
    made, x = _together(x, held)
    yield from made
    yield _plain("LOG_SOFTMAX", (x.numel() // x.shape[-1], x.shape[-1]), (out, x))


def _softmax_back(out: Tensor, held: list[Any], grad: Tensor, y: Tensor, axis: int, _: Any) -> Iterator[Op]:
    _real(out, grad, y)
    if axis % y.ndim != y.ndim - 1:
        raise Unknown("axis")
    yield _plain("LOG_SOFTMAX_BACK", (y.numel() // y.shape[-1], y.shape[-1]), (out, grad, y))


def _chosen(
    out: list[Tensor], held: list[Any], x: Tensor, ids: Tensor, weight: Any, reduction: int, none: int
) -> Iterator[Op]:
    _real(x)
    if weight is not None or reduction or x.ndim != 2:
        raise Unknown("weighted")
    made, ids = _together(ids, held)
    yield from made
    yield _plain("CHOSEN", x.shape, (out[0], x, ids), [none])


def _chosen_back(
    out: Tensor,
    held: list[Any],
    grad: Tensor,
    x: Tensor,
    ids: Tensor,
    weight: Any,
    reduction: int,
    none: int,
    _: Tensor,
) -> Iterator[Op]:
    _real(out, grad)
    if weight is not None or reduction or x.ndim != 2:
        raise Unknown("weighted")
    made, ids = _together(ids, held)
    yield from made
    op = _plain("CHOSEN_BACK", x.shape, (out, torch.empty(0), ids), [none])
    op.at[1], op.apart[1][0] = grad.data_ptr(), grad.stride(0)
    yield op


def _joined(out: Tensor, held: list[Any], parts: list[Tensor], axis: int = 0) -> Iterator[Op]:
    parts = [part for part in parts if part.numel()]
    begin = 0
    for part in parts:
        goal = out.narrow(axis, begin, part.shape[axis])
        begin += part.shape[axis]
        yield _map("COPY", goal, [part], (), held)


def _stacked(out: Tensor, held: list[Any], parts: list[Tensor], axis: int = 0) -> Iterator[Op]:
    for number, part in enumerate(parts):
        yield _map("COPY", out.select(axis, number), [part], (), held)


def draw(x: Tensor, share: float, seed: Tensor, number: int) -> Op:
    """A row that makes a share of the values 1 and the others 0, by a step's seed and the operation's number."""
    _real(x)
    op = _plain("DRAW", (x.numel(), number), [x], [share])
    op.at[5] = seed.data_ptr()
    return op


def _nothing(*_: Any, **__: Any) -> Iterator[Op]:
    """Memory that something else fills."""
    yield from ()


def _selected_back(out: Tensor, held: list[Any], grad: Tensor, sizes: Any, axis: int, number: int) -> Iterator[Op]:
    yield from _into(out, held, out.select(axis, number), grad)


def _sliced_back(
    out: Tensor, held: list[Any], grad: Tensor, sizes: Any, axis: int, begin: int, end: int, step: int
) -> Iterator[Op]:
    begin, end, step = slice(begin, end).indices(out.shape[axis])[:2] + (step,)
    if step != 1:
        raise Unknown("step")
    yield from _into(out, held, out.narrow(axis, begin, end - begin), grad)


def _into(out: Tensor, held: list[Any], part: Tensor, grad: Tensor) -> Iterator[Op]:
    if part.numel() < out.numel():
        yield _map("COPY", out, [0.0], (), held)
    yield _map("COPY", part, [grad], (), held)


def _flipped(out: Tensor, held: list[Any], x: Tensor, axes: list[int]) -> Iterator[Op]:
    if len(axes) != 1:
        raise Unknown("axes")
    for number in range(x.shape[axes[0]]):
        yield _map(
            "COPY", out.narrow(axes[0], number, 1), [x.narrow(axes[0], x.shape[axes[0]] - 1 - number, 1)], (), held
        )


def _placed(out: Tensor, held: list[Any], edges: Tensor, x: Tensor, *, right: bool = False, **_: Any) -> Iterator[Op]:
    _real(edges, x)
    if out.dtype != torch.int64 or edges.ndim != 2:
        raise Unknown("edges")
    yield _plain("PLACE", (len(edges), x[0].numel(), edges.shape[1]), (out, edges, x), [float(right)])


def _running(out: Tensor, held: list[Any], x: Tensor, axis: int) -> Iterator[Op]:
    _real(out, x)
    axis %= x.ndim
    made, x = _together(x, held)
    yield from made
    yield _plain("RUNNING", (math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])), (out, x))


def _adam(own: bool) -> Callable[..., Iterator[Op]]:
    def rows(
        out: Any, held: list[Any], weights: list[Tensor], grads: list[Tensor], means: list[Tensor], squares: list[Tensor], _: Any,
        steps: list[Tensor], *, lr: Tensor, beta1: float, beta2: float, weight_decay: float, eps: float, amsgrad: bool, maximize: bool,
        **more: Any,
    ) -> Iterator[Op]:  # fmt: skip
        if amsgrad or maximize or any(value is not None for value in more.values()) or lr.dtype != torch.float64:
            raise Unknown("variant")
        for w, g, m, v, step in zip(weights, grads, means, squares, steps, strict=True):
            _real(w, g, m, v, step)
            made, g = _together(g, held)
            yield from made
            op = _plain("ADAM", (w.numel(), own), (w, g, m, v), (beta1, beta2, weight_decay, eps))
            op.at[4], op.at[5] = step.data_ptr(), lr.data_ptr()
            yield op

    return rows


def _sgd(
    out: Any, held: list[Any], weights: list[Tensor], grads: list[Tensor], momenta: list[Tensor], *, lr: Tensor, weight_decay: float,
    momentum: float, dampening: float, nesterov: bool, maximize: bool, is_first_step: bool, **more: Any,
) -> Iterator[Op]:  # fmt: skip
    if maximize or is_first_step or any(value is not None for value in more.values()) or lr.dtype != torch.float64:
        raise Unknown("variant")
    for number, (w, g) in enumerate(zip(weights, grads, strict=True)):
        made, g = _together(g, held)
        _real(w, g, *momenta[number : number + 1])
        yield from made
        op = _plain(
            "SGD", (w.numel(), nesterov), (w, g, *momenta[number : number + 1]), (weight_decay, momentum, dampening)
        )
        op.at[5] = lr.data_ptr()
        yield op


OTHERS: dict[Any, Callable[..., Iterator[Op]]] = {
    aten.sum.default: _summed, aten.sum.dim_IntList: _summed, aten.mean.default: _averaged, aten.mean.dim: _averaged,
    aten.linalg_vector_norm.default: _norm, aten._foreach_norm.Scalar: _norms, aten._foreach_mul_.Tensor: _times,
    aten._foreach_add_.Scalar: _more, aten.mm.default: _product, aten.bmm.default: _product, aten.addmm.default: _product_plus,
    aten.baddbmm.default: _product_plus, aten.index_select.default: _rows_of, aten.embedding.default: _embedded,
    aten.index.Tensor: _indexed, aten.embedding_dense_backward.default: _spread, aten._log_softmax.default: _softmax,
    aten._log_softmax_backward_data.default: _softmax_back, aten.nll_loss_forward.default: _chosen,
    aten.nll_loss_backward.default: _chosen_back, aten.cat.default: _joined, aten.stack.default: _stacked,
    aten.empty_like.default: _nothing, aten.new_empty_strided.default: _nothing, aten.new_empty.default: _nothing,
    aten.select_backward.default: _selected_back, aten.slice_backward.default: _sliced_back, aten.flip.default: _flipped,
    aten.searchsorted.Tensor: _placed, aten.cumsum.default: _running, aten._fused_adam_.tensor_lr: _adam(False),
    aten._fused_adamw_.tensor_lr: _adam(True), aten._fused_sgd_.tensor_lr: _sgd,
}  # fmt: skip
