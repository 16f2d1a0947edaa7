"""Start the gateway: ``python -m services.gateway``."""

import asyncio
import sys

import uvicorn

from services.gateway.api import create_app
from services.gateway.settings import Info, from_environment
from services.gateway.tokens import load_tokens
from services.kernel import logging
from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.errors import ChloeError
from services.kernel.streams import connect


async def main() -> None:
    """Wire the gateway and serve until told to stop."""
    settings = from_environment()
    logging.configure(settings.log_level)
    tokens = load_tokens(settings.tokens_file)
    info = Info(
        config_version=config_version(),
        allowed_hosts=settings.hosts(),
        require_read_token=settings.require_read_token,
    )
    redis = connect(settings.redis())
    async with await connect_pool(settings.database(), size=8) as pool:
        app = create_app(pool, redis, tokens, info)
        config = uvicorn.Config(
            app, settings.http_host, settings.http_port, log_config=None, access_log=False, server_header=False
        )
        await uvicorn.Server(config).serve()
    await redis.aclose()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ChloeError as error:
        sys.exit(f"gateway: {error}")
