//! The main job, end to end, told line by line: an unmodified job, intercepted, judged,
//! masked, held, recorded. Every line of the story is checked.

mod approver;
mod story;
mod world;

use std::process::ExitCode;

use crate::story::Story;
use crate::world::World;

fn main() -> ExitCode {
    if let Some(reason) = sluice_harness::cannot_capture() {
        eprintln!("the demo cannot run here: {reason}; try: sudo cargo xtask demo");
        return ExitCode::FAILURE;
    }
    let mut story = Story::default();
    if let Err(error) = tell(&mut story) {
        story.broke_off(&error);
    }
    story.end()
}

fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("A build host, a database, an API");
    let mut world = World::start(story)?;
    story.chapter("A CI job runs; its script knows nothing of sluice");
    let job = world.run_pipeline(story)?;
    story.chapter("What the job saw");
    world.check_job(story, &job)?;
    story.chapter("The daemon is back");
    world.restart(story)?;
    story.chapter("Months later: which process, of which step, of which commit, ran this?");
    world.ask(story)?;
    story.chapter("And nothing is left behind");
    world.leave(story)
}
