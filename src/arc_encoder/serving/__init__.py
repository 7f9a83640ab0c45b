"""A gateway in front of a decoder that speaks OpenAI's protocol, and takes documents as vectors.

schemas.py              bodies of requests
document_reader.py      documents → vectors, by encoder_queue.py, the store or vectors_file.py
chat_format.py          messages → one prompt (prompt.py)
engines/                prompt → tokens, here or at a vLLM server
app.py                  the HTTP side: routes_*.py, sse.py, guard.py, metrics.py
server.py               `serve`: all of it in one process
vllm/requests.py        the requests alone, for those who send them themselves
"""
