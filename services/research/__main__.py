"""Wire and run nightly research, and live the shadow back-test beside it: ``python -m services.research``."""

from functools import partial

from services.kernel.config import config_version
from services.kernel.process import main, run_stage
from services.kernel.settings import Settings
from services.research import shadow_store
from services.research.nightly.service import load_stage
from services.research.parameters import load_parameters


async def serve(settings: Settings) -> None:
    """Run the stage until stopped; a replay needs no shadow, for its tests compare it whole."""
    shadow = partial(shadow_store.run, params=load_parameters(), version=config_version())
    await run_stage(settings, load_stage(), None if settings.source == "replay" else shadow)


if __name__ == "__main__":
    main(serve)
