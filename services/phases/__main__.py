"""Wire and run the phases service: ``python -m services.phases``."""

from services.kernel.process import main, run_stage
from services.kernel.settings import Settings
from services.phases.service import load_stage


async def serve(settings: Settings) -> None:
    """Run the stage until stopped."""
    await run_stage(settings, load_stage(settings.reports_dir))


if __name__ == "__main__":
    main(serve)
