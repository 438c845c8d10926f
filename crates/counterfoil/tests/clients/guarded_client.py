"""The stock OpenAI client for Python on a route with a guard: prints a plain answer, and a streamed one put together.

Usage: BASE_URL=... API_KEY=... ASK=... python guarded_client.py
"""

import os

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0, timeout=30)
ask = {
    "model": "echo",
    "messages": [{"role": "user", "content": os.environ["ASK"]}],
    "user": "ann@example.org",
}
print(client.chat.completions.create(**ask).choices[0].message.content)
pieces = client.chat.completions.create(stream=True, **ask)
print("".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices))
