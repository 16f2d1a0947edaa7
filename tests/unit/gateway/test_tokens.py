"""Tokens: which are refused at the start, and what each may do."""

import stat
from pathlib import Path

import pytest

from services.gateway.access import signed
from services.gateway.tokens import SCOPES, Tokens, allows, create_tokens_file, load_tokens
from services.kernel.errors import StartRefused

GOOD = {"read": "9f2c41d87ab6e05c3f1b77aa", "operate": "71c9e0b4a6d85f2390ab66bb", "live": "5d0a8c3be97f1426d0ce55cc"}


def write(folder: Path, **changed: str) -> Path:
    path = folder / "tokens.yaml"
    path.write_text("".join(f'{k}: "{v}"\n' for k, v in {**GOOD, **changed}.items()), encoding="utf-8")
    return path


def test_each_token_gives_its_scope(tmp_path: Path) -> None:
    tokens = load_tokens(write(tmp_path))
    assert {scope: tokens.scope_of(token) for scope, token in GOOD.items()} == dict(zip(SCOPES, SCOPES, strict=True))
    assert tokens.scope_of("") is None
    assert tokens.scope_of(GOOD["live"][:-1]) is None


def test_a_scope_includes_the_lesser_ones() -> None:
    assert [[allows(have, need) for need in SCOPES] for have in SCOPES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("short-9f2c41d8", "at least 24"),
        ("a" * 40, "easy to guess"),
        ("changeme-changeme-changeme-42", "easy to guess"),
        ("my-Default-9f2c41d87ab6e05c", "easy to guess"),
        ("9f2c41d87ab6 e05c3f1b77aa00", "HTTP header"),
    ],
)
def test_refuses_weak_tokens_without_quoting_them(tmp_path: Path, token: str, reason: str) -> None:
    with pytest.raises(StartRefused, match=reason) as refused:
        load_tokens(write(tmp_path, operate=token))
    assert "operate" in str(refused.value)
    assert token not in str(refused.value)


def test_refuses_two_scopes_with_one_token(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="share a token"):
        load_tokens(write(tmp_path, live=GOOD["operate"]))


@pytest.mark.parametrize("content", ["", "[1, 2]", "read: abc", "read: {", "{read: 1, operate: 2, live: 3, root: 4}"])
def test_refuses_files_of_another_shape(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StartRefused, match=r"tokens\.yaml"):
        load_tokens(path)


def test_refuses_to_start_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="CHLOE_TOKENS_FILE is not set"):
        load_tokens(None)
    with pytest.raises(StartRefused, match="cannot be read"):
        load_tokens(tmp_path / "none")


def test_created_tokens_are_private_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "run" / "tokens.yaml"
    create_tokens_file(path)
    content = path.read_text(encoding="utf-8")
    create_tokens_file(path)
    assert path.read_text(encoding="utf-8") == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tokens_do_not_show_themselves() -> None:
    shown = repr(Tokens({"operate": GOOD["operate"]})) + str(vars(Tokens({"operate": GOOD["operate"]})))
    assert GOOD["operate"] not in shown


def test_the_record_keeps_a_clean_name() -> None:
    assert signed("operate", None) == "operate"
    assert signed("operate", "Kim\r\n<script>") == "operate (Kimscript)"
    assert signed("live", "x" * 500) == f"live ({'x' * 64})"


def test_a_kill_while_tokens_are_made_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokens.yaml"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("services.gateway.tokens.os.link", killed)
        with pytest.raises(KeyboardInterrupt):
            create_tokens_file(path)
    assert not path.exists()
    create_tokens_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
