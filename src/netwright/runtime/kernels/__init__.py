"""Operations that are computed by compiled code where it is there, and by their formula in torch elsewhere.

A caller calls an operation and asks nothing: whether the compiled code takes these tensors (type, device, size, gradients)
stands beside the operation. The two give the same numbers within rounding; `OPERATIONS` holds all of them, and one test
compares each with its formula. docs/dev/kernels.md says what each one is worth, and how to add one.
"""

from netwright.runtime.kernels.operation import OPERATIONS, Operation, operation

__all__ = ["OPERATIONS", "Operation", "operation"]
