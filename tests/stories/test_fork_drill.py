"""A fork in five minutes: other seeds and another `.env`, and nothing else."""

from tests.drill import story


def test_a_fork_runs_its_own_crew_on_its_own_repositories_and_shows_nothing_of_ours(tmp_path):
    tmp_path.chmod(0o755)
    assert "demo" in story.play(tmp_path)
