"""A gateway in front of a decoder that speaks OpenAI's protocol, and takes documents as vectors.

protocol/    bodies of requests, shapes of answers, errors, limits
documents/   documents → vectors: compressed now, of a store, or sent
prompts/     messages → one prompt
engines/     prompt → tokens: embedded/ here, remote/ at a vLLM server
http/        what every request passes, the routes, metrics, the log
vllm/        the requests alone, for those who send them themselves
page/        the page for people
server.py    `serve`: all of it in one process
"""
