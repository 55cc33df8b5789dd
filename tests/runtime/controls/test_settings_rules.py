import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli.menu import app
from app.kernel.settings import ROOT
from app.runtime.rules.settings import SETTINGS, close_to, fault, meant, table
from app.runtime.types import SettingKind

SETTING = st.sampled_from(list(SETTINGS.values()))
STORED = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


@given(SETTING)
def test_every_default_lies_in_its_own_range(setting):
    assert fault(setting, setting.default) is None
    assert all((setting.description, setting.affects, setting.values))


@given(SETTING, STORED)
def test_what_is_stored_stands_for_a_value_in_range_whatever_it_is(setting, stored):
    value = meant(setting, stored)
    assert fault(setting, value) is None
    if not isinstance(stored, float) and fault(setting, stored) is None:
        assert (value, type(value)) == (stored, type(stored))


@given(STORED.filter(lambda stored: stored is not None and not isinstance(stored, bool)))
def test_nonsense_engages_a_switch_and_turns_a_feature_off(stored):
    for setting in SETTINGS.values():
        if setting.kind is SettingKind.KILL_SWITCH:
            assert meant(setting, stored) is True
        if setting.kind is SettingKind.FEATURE:
            assert meant(setting, stored) is False


def test_a_kill_switch_is_safe_when_engaged_and_a_feature_when_off():
    kinds = {SettingKind.KILL_SWITCH: True, SettingKind.FEATURE: False}
    assert all(setting.blind is kinds.get(setting.kind) for setting in SETTINGS.values())
    assert all(setting.default is False for setting in SETTINGS.values() if setting.kind is SettingKind.KILL_SWITCH)


@given(SETTING, st.integers())
def test_a_number_is_refused_outside_its_range_only(setting, value):
    if setting.is_number:
        assert (fault(setting, value) is None) == (setting.least <= value <= setting.most)
    else:
        assert fault(setting, value) == "must be true or false"


@pytest.mark.parametrize("name", ["breaker.failures", "switch.agents"])
def test_a_truth_is_no_number_and_a_number_no_truth(name):
    assert fault(SETTINGS[name], True) is None if name.startswith("switch") else fault(SETTINGS[name], True)
    assert fault(SETTINGS[name], 7) is None if name.startswith("breaker") else fault(SETTINGS[name], 1)


def test_a_name_with_a_slip_is_recognised():
    assert close_to("switch.agent") == "switch.agents"
    assert close_to("zzz") is None


def test_the_registry_is_plain_data():
    assert msgspec.json.encode([setting.default for setting in SETTINGS.values()])


def test_the_command_line_and_the_documentation_list_all_of_it():
    documented = (ROOT / "docs/runtime/settings.md").read_text()
    assert documented.endswith(f"\n\n{table()}"), "run ./callboard runtime settings and put its table there"
    assert CliRunner().invoke(app, ["runtime", "settings"]).output == table()
    assert all(f"`{name}`" in documented for name in SETTINGS)
