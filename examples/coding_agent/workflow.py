"""AWS's harness agent mends a project in a sandbox; kill its worker, and the next one goes on."""

from datetime import timedelta

from temporalio import workflow

from strands_temporal.workflow import TemporalSandbox, durable_harness

TASK_QUEUE = "strands-coding-agent"
MODEL = "model"
BOX = "project"


@workflow.defn
class CodingWorkflow:
    """Works on a task, and runs the project's tests itself at the end."""

    @workflow.run
    async def run(self, task: str) -> str:
        """Return what the agent says, and how the tests ended."""
        # A killed worker is noticed after three seconds. Commands may run again: these only test.
        soon = timedelta(seconds=3)
        box = TemporalSandbox(BOX, rerun_commands=True, heartbeat_timeout=soon)
        agent = durable_harness(
            MODEL,
            sandbox=box,
            instructions="You mend the Python project in the working directory. Run its tests at the end.",
            callback_handler=None,
            heartbeat_timeout=soon,
        )
        result = await agent.invoke_async(task)
        tests = await box.execute("python3 -m unittest -q *_test.py")
        return f"{str(result).strip()} The tests {'fail' if tests.exit_code else 'pass'}."
