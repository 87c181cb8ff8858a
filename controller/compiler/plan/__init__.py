"""Graph to steps: which kernel runs on which bytes of one arena."""

from controller.compiler.plan.planner import plan
from controller.compiler.plan.steps import Call, Constant, Plan, Slot, Step

__all__ = ["Call", "Constant", "Plan", "Slot", "Step", "plan"]
