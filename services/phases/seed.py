"""Fill the registries from the configuration: ``python -m services.phases.seed``, after the migrations."""

from services.kernel.database import connect_pool
from services.kernel.process import main
from services.kernel.settings import Settings
from services.phases.service import load_params
from services.phases.store import seed


async def run(settings: Settings) -> None:
    """Seed once; repeating it changes nothing that has been activated."""
    params = load_params()
    pool = await connect_pool(settings.database(), size=1)
    try:
        async with pool.acquire() as conn, conn.transaction():
            await seed(conn, params)
    finally:
        await pool.close()


if __name__ == "__main__":
    main(run)
