"""The model client of the team itself: who speaks is never a model's choice, so this one raises."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, NoReturn

from autogen_core.models import ChatCompletionClient, ModelFamily, ModelInfo, RequestUsage


class SilentClient(ChatCompletionClient):
    """A client that AutoGen demands and nobody may ask."""

    component_type = "model"
    component_config_schema = ModelInfo

    async def create(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the phase table chooses."""
        raise AssertionError("the phase table chooses who speaks, never a model")

    def create_stream(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        """Refuse: the phase table chooses."""
        raise AssertionError("the phase table chooses who speaks, never a model")

    async def close(self) -> None:
        """Close nothing."""

    def actual_usage(self) -> RequestUsage:
        """Return that nothing was used."""
        return RequestUsage(prompt_tokens=0, completion_tokens=0)

    def total_usage(self) -> RequestUsage:
        """Return that nothing was used."""
        return self.actual_usage()

    def count_tokens(self, *_: Any, **__: Any) -> int:
        """Return that there is nothing to count."""
        return 0

    def remaining_tokens(self, *_: Any, **__: Any) -> int:
        """Return that there is no room for a prompt."""
        return 0

    @property
    def capabilities(self) -> Any:
        """Return the same as `model_info`."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """Describe a model that can do nothing."""
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=False,
            family=ModelFamily.UNKNOWN,
            structured_output=False,
        )
