"""The stock OpenAI client for Python against Counterfoil: nothing but its address and key are set.

Usage: BASE_URL=... API_KEY=... python openai_client.py
"""

import os

import openai

BASE_URL, KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=30)
ASK = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def plain_chat():
    answer = client.chat.completions.create(model="chat", messages=ASK, user="anna")
    assert answer.choices[0].message.content == "héllo 0", answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 4), answer


def headers_are_there():
    raw = client.chat.completions.with_raw_response.create(model="chat", messages=ASK)
    assert raw.headers["x-request-id"] == "req_1", raw.headers
    assert raw.headers["x-counterfoil-inference"], raw.headers


def several_choices():
    answer = client.chat.completions.create(model="chat", messages=ASK, n=3)
    assert [choice.message.content for choice in answer.choices] == ["héllo 0", "héllo 1", "héllo 2"], answer


def tool_calls():
    answer = client.chat.completions.create(model="chat", messages=ASK, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Perth"}'), answer


def streamed(**more):
    """The text of each choice, and the usage of a stream."""
    texts, usage = {}, None
    for chunk in client.chat.completions.create(model="chat", messages=ASK, stream=True, **more):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    return texts, usage


def streams():
    assert streamed() == ({0: "héllo 0"}, None)
    assert streamed(n=2) == ({0: "héllo 0", 1: "héllo 1"}, None)
    texts, usage = streamed(stream_options={"include_usage": True})
    assert texts == {0: "héllo 0"} and usage.total_tokens == 13, (texts, usage)


def streamed_tool_calls():
    arguments = ""
    for chunk in client.chat.completions.create(model="chat", messages=ASK, tools=[TOOL], stream=True):
        for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            arguments += call.function.arguments
    assert arguments == '{"city":"Perth"}', arguments


def responses():
    answer = client.responses.create(model="chat", input="hello")
    assert answer.output_text == "héllo", answer
    events = list(client.responses.create(model="chat", input="hello", stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "héllo", events
    assert events[-1].type == "response.completed", events


def embeddings():
    answer = client.embeddings.create(model="chat", input=["a", "b"])
    assert [list(item.embedding) for item in answer.data] == [[0.5, -0.25, 1.0]] * 2, answer
    answer = client.embeddings.create(model="chat", input="a", encoding_format="float")
    assert answer.data[0].embedding == [0.5, -0.25, 1.0], answer


def models():
    assert "chat" in {model.id for model in client.models.list()}
    assert client.models.retrieve("chat").id == "chat"


def errors_of_the_provider():
    try:
        client.chat.completions.create(model="limited", messages=ASK)
        raise SystemExit("a 429 was not raised")
    except openai.RateLimitError as error:
        assert error.code == "rate_limit_exceeded" and error.body["message"] == "slow down", error.body
        headers = error.response.headers
        assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000"), headers
        assert headers["x-ratelimit-remaining-requests"] == "0", headers
    try:
        client.chat.completions.create(model="broken", messages=ASK, stream=True)
        raise SystemExit("a 500 was not raised")
    except openai.InternalServerError as error:
        assert error.body["message"] == "it broke", error.body


def errors_of_our_own():
    def fails(kind, code, call):
        try:
            call()
        except kind as error:
            assert error.code == code and error.body["message"] and error.body["type"], error.body
        else:
            raise SystemExit(f"{code} was not raised")

    chat = client.chat.completions.create
    stranger = openai.OpenAI(base_url=BASE_URL, api_key="cf_nobody", max_retries=0)
    fails(openai.NotFoundError, "model_not_found", lambda: chat(model="gpt-0", messages=ASK))
    fails(openai.AuthenticationError, "invalid_api_key", lambda: stranger.responses.create(model="chat", input="x"))
    fails(openai.NotFoundError, "not_governed", lambda: client.images.generate(model="chat", prompt="x"))
    fails(openai.InternalServerError, "provider_timeout", lambda: chat(model="hang", messages=ASK))
    fails(openai.InternalServerError, "provider_broke_off", lambda: chat(model="reset", messages=ASK))


def leaving_in_the_middle():
    stream = client.chat.completions.create(model="slow", messages=ASK, stream=True)
    assert next(iter(stream)).choices[0].delta.content == "tick "
    stream.close()


for check in [
    plain_chat, headers_are_there, several_choices, tool_calls, streams, streamed_tool_calls, responses, embeddings,
    models, errors_of_the_provider, errors_of_our_own, leaving_in_the_middle,
]:
    check()
    print("ok", check.__name__)
