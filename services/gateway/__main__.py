"""Start the gateway: ``python -m services.gateway``."""

import uvicorn

from services.gateway.api import create_app
from services.gateway.settings import GatewaySettings, Info, from_environment
from services.gateway.tokens import load_tokens
from services.kernel.config import config_version
from services.kernel.database import connect_pool
from services.kernel.process import main, serve_http
from services.kernel.streams import connect

GRACE_SECONDS = 5
"""How long requests that are being answered may take when the gateway is told to stop."""


async def serve(settings: GatewaySettings) -> None:
    """Wire the gateway and serve until stopped."""
    tokens = load_tokens(settings.tokens_file)
    info = Info(
        config_version=config_version(),
        allowed_hosts=settings.hosts(),
        require_read_token=settings.require_read_token,
    )
    redis = connect(settings.redis())
    try:
        async with await connect_pool(settings.database(), size=8) as pool:
            app = create_app(pool, redis, tokens, info)
            await serve_http(
                uvicorn.Config(
                    app,
                    settings.http_host,
                    settings.http_port,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=GRACE_SECONDS,
                )
            )
    finally:
        await redis.aclose()


if __name__ == "__main__":
    main(serve, from_environment)
