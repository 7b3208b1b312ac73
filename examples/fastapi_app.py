"""A web application that asks Convoy: pip install fastapi uvicorn python-multipart; uvicorn examples.fastapi_app:app.

One AsyncConvoy serves all requests. Its errors become HTTP answers with the same reason.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from convoy import AsyncConvoy, ConvoyError, InvalidArgument, Unavailable
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client with the application, and close it with the application."""
    async with AsyncConvoy() as convoy:
        app.state.convoy = convoy
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(ConvoyError)
async def refuse(request: Request, error: ConvoyError) -> JSONResponse:
    """Tell the caller what was wrong."""
    status = 400 if isinstance(error, InvalidArgument) else 503 if isinstance(error, Unavailable) else 422
    return JSONResponse({"reason": error.reason, "message": error.message}, status)


@app.post("/what")
async def what(photo: UploadFile) -> dict[str, Any]:
    """Say what a photo shows."""
    answer = await app.state.convoy.classify(await photo.read())
    return {"label": answer.best.label, "probability": answer.best.probability}
