"""What operators get from `/healthz` and `/readyz`."""

from __future__ import annotations

from typing import Literal

from honeylink.api.http.models import AnswerModel


class HealthAnswer(AnswerModel):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessAnswer(AnswerModel):
    """Whether all that a request needs is there."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
