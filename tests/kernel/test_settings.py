import pytest

from app.kernel import settings
from app.kernel.settings import BY_KEY, DECLARED, ROOT, Settings, SettingsError, load


def test_without_any_setting_everything_has_its_default(tmp_path):
    found = load({}, None, root=tmp_path)
    assert (found.host, found.port, found.workers, found.log_level) == ("127.0.0.1", 8000, 1, "info")
    assert (found.data_dir, found.seeds_dir) == (tmp_path / ".callboard", tmp_path / "seeds")
    assert (found.database_url, found.writable_repo_dir) == (None, None)


def test_an_unknown_key_stops_the_start_and_is_named():
    with pytest.raises(SettingsError) as error:
        load({"CALLBOARD_PRT": "1"}, None)
    assert error.value.key == "CALLBOARD_PRT"
    assert str(error.value) == "CALLBOARD_PRT is not a setting; did you mean CALLBOARD_PORT?"


def test_an_unknown_key_in_the_file_stops_the_start_too(tmp_path):
    (tmp_path / ".env").write_text("CALLBOARD_NONSENSE=1\n")
    with pytest.raises(SettingsError) as error:
        load({}, tmp_path / ".env")
    assert error.value.key == "CALLBOARD_NONSENSE"


def test_keys_of_other_programs_are_left_alone():
    assert load({"PATH": "/bin", "DATABASE_NAME": "x"}, None) == load({}, None)


@pytest.mark.parametrize("setting", [s for s in DECLARED if s.values.startswith("a whole number")], ids=lambda s: s.key)
def test_a_number_outside_its_range_is_refused_and_its_ends_are_not(setting):
    least, most = (int(word) for word in setting.values.split() if word.isdigit())
    for number in (least, most):
        assert getattr(load({setting.key: str(number)}, None), setting.name) == number
    for text in (str(least - 1), str(most + 1), "many", "1.5"):
        with pytest.raises(SettingsError) as error:
            load({setting.key: text}, None)
        assert str(error.value) == f'{setting.key} must be {setting.values}, not "{text}"'


@pytest.mark.parametrize(
    ("key", "text"),
    [("CALLBOARD_LOG_LEVEL", "loud"), ("DATABASE_URL", "mysql://host/name"), ("OPENCLAW_GATEWAY_URL", "gateway.example")],
)
def test_a_bad_value_names_its_key(key, text):
    with pytest.raises(SettingsError) as error:
        load({key: text}, None)
    assert error.value.key == key


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / ".env").write_text("CALLBOARD_PORT=1111\nCALLBOARD_HOST='::1'\n")
    found = load({"CALLBOARD_PORT": "2222"}, tmp_path / ".env")
    assert (found.port, found.host) == (2222, "::1")


def test_blank_is_unset_and_quotes_are_no_part_of_the_value(tmp_path):
    (tmp_path / ".env").write_text("CALLBOARD_PORT=1111\n")
    found = load({"CALLBOARD_PORT": "  ", "CALLBOARD_HOST": '"localhost"'}, tmp_path / ".env")
    assert (found.port, found.host) == (1111, "localhost")


def test_the_file_is_taken_literally(tmp_path):
    (tmp_path / ".env").write_text("OPENCLAW_GATEWAY_TOKEN='a${HOME}b$c'\n")
    assert load({}, tmp_path / ".env").openclaw_gateway_token == "a${HOME}b$c"


def test_secrets_never_show_in_the_text_of_the_settings():
    found = load(
        {
            "DATABASE_URL": "postgresql://board:hunter2@db.example/board?sslmode=require&password=hunter3",
            "DATABASE_ADMIN_URL": "postgresql+asyncpg://admin:hunter4@db.example/board",
            "OPENCLAW_GATEWAY_TOKEN": "hunter5",
            "REPO_URL": "https://hunter6@git.example/crew/stage.git",
        },
        None,
    )
    assert found.database_admin_url == "postgresql://admin:hunter4@db.example/board"
    assert "hunter" not in repr(found)
    assert "hunter" not in str(found.__rich_repr__())
    assert "board:***@db.example" in repr(found)


def test_a_bad_secret_is_not_repeated_in_the_message():
    with pytest.raises(SettingsError) as error:
        load({"DATABASE_URL": "mysql://board:hunter2@db.example/board"}, None)
    assert str(error.value) == "DATABASE_URL must be a postgresql:// address"


def test_an_admin_address_alone_is_refused():
    with pytest.raises(SettingsError) as error:
        load({"DATABASE_ADMIN_URL": "postgresql://db.example/board"}, None)
    assert error.value.key == "DATABASE_ADMIN_URL"


@pytest.mark.parametrize("url", ["https://git.example/crew/stage.git", "git@git.example:stage.git", "../stage/"])
def test_the_clone_is_named_after_the_repository(tmp_path, url):
    assert load({"REPO_URL": url}, None, root=tmp_path).writable_repo_dir == tmp_path / ".callboard/repos/stage"


def test_every_field_is_a_setting_with_a_key_of_its_own():
    assert [s.name for s in DECLARED] == list(Settings.__struct_fields__)
    assert len(BY_KEY) == len(DECLARED)


def test_the_example_file_is_the_registry():
    assert (ROOT / ".env.example").read_text() == settings.settings_example()


def test_the_example_file_loads_with_every_line_active(tmp_path):
    text = settings.settings_example()
    (tmp_path / ".env").write_text(
        "\n".join(line.removeprefix("# ") for line in text.splitlines() if line[2:].split("=")[0] in BY_KEY)
    )
    assert load({}, tmp_path / ".env") == load({}, None)


def test_the_readme_shows_the_registry():
    readme = ROOT / "README.md"
    if not readme.exists():
        raise AssertionError("there is no README")
    assert settings.settings_table() in readme.read_text()
