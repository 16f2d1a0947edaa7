"""Wire and run nightly research: ``python -m services.research``."""

from services.kernel.process import main, run_stage
from services.kernel.settings import Settings
from services.research.nightly_stage import load_stage


async def serve(settings: Settings) -> None:
    """Run the stage until stopped."""
    await run_stage(settings, load_stage())


if __name__ == "__main__":
    main(serve)
