"""Wire and run the inference service: ``python -m services.inference``."""

from services.inference.service import load_stage
from services.kernel.process import main, run_stage
from services.kernel.settings import Settings


async def serve(settings: Settings) -> None:
    """Run the stage until stopped."""
    await run_stage(settings, load_stage(replay=settings.source == "replay"))


if __name__ == "__main__":
    main(serve)
