from . import moto_parts


def handle(call):
    return moto_parts.answer(call)
