//! Containers, as this machine has them: the walk that finds those that are there, what the kernel side is told of each, and
//! the way of questions to whoever can ask runtimes.

mod hierarchy;
mod states;

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use libbpf_rs::{MapCore, MapFlags, MapHandle, Object};
use tracee_core::containers::{Change, Machine, Metadata, Question};
use tracee_core::pipeline::Pipeline;
use tracee_core::tables::BANKS;

use crate::error::{Doing, Result};
use crate::object::find;
use crate::shared::Config;
pub use hierarchy::Hierarchy;
use hierarchy::Tree;
use states::States;

/// The programs that tell of cgroups, and the tracepoints that they need.
pub const PROGRAMS: [(&str, &str); 2] =
    [("tracee_cgroup_made", "cgroup_mkdir"), ("tracee_cgroup_gone", "cgroup_rmdir")];
/// Questions that wait for somebody to take them.
pub const QUESTIONS: usize = 1 << 14;
/// `enum container_state`
const NEW: u32 = 0;
const KNOWN: u32 = 1;

/// The answer to a question: of which container, and what is known of it.
pub type Answer = (String, Option<Metadata>);

/// Who can ask runtimes: takes questions and gives answers, each in his own time.
pub struct Enrichment {
    /// Of room for [`QUESTIONS`].
    pub questions: Sender<Question>,
    pub answers: Receiver<Answer>,
}

/// `struct container` of bpf/include/record.h
fn bytes(state: u32, slots: [u64; BANKS as usize]) -> Vec<u8> {
    let head = [state.to_ne_bytes(), [0; 4]].concat();
    head.into_iter().chain(slots.iter().flat_map(|slots| slots.to_ne_bytes())).collect()
}

/// The kernel side's `containers_map`.
pub struct Map(MapHandle);

impl Map {
    pub fn of(object: &Object) -> Result<Map> {
        MapHandle::try_from(&find(object, "containers_map")?).doing("hold the map of containers").map(Map)
    }

    /// # Errors
    /// It has no room.
    pub fn put(&self, Change { cgroup, slots }: Change) -> libbpf_rs::Result<()> {
        let key = cgroup.to_ne_bytes();
        let Some(slots) = slots else {
            // most were never there
            let failed = self.0.delete(&key).err().filter(|error| error.kind() != libbpf_rs::ErrorKind::NotFound);
            return failed.map_or(Ok(()), Err);
        };
        self.0.update(&key, &bytes(KNOWN, slots), MapFlags::ANY)
    }

    /// As the kernel side itself puts a cgroup there that has just been made.
    ///
    /// # Errors
    /// It has no room.
    pub fn put_new(&self, cgroup: u64) -> libbpf_rs::Result<()> {
        self.0.update(&cgroup.to_ne_bytes(), &bytes(NEW, [0; BANKS as usize]), MapFlags::ANY)
    }
}

/// Keeps the kernel side's map of containers as the pipeline has them.
pub struct Keeper {
    map: Map,
    config: Arc<Config>,
    enrichment: Option<Enrichment>,
    /// Entries that found no room, and why.
    pub refused: Option<String>,
}

impl Keeper {
    pub fn new(object: &Object, config: Arc<Config>) -> Result<Keeper> {
        Ok(Keeper { map: Map::of(object)?, config, enrichment: None, refused: None })
    }

    /// Finds the containers that are there, before events are recorded. `states`: folders of containerds that keep their
    /// state elsewhere. What is wrong with the cgroups of this machine is no error: those that are made from now on are
    /// seen all the same. It is given back, for who debugs.
    pub fn begin(
        &mut self,
        pipeline: &mut Pipeline,
        states: &[PathBuf],
        enrichment: Option<Enrichment>,
    ) -> Option<String> {
        if enrichment.is_some() {
            pipeline.containers.ask();
        }
        self.enrichment = enrichment;
        let (tree, wrong) = match Hierarchy::find().open() {
            Ok(tree) => (Some(Arc::new(tree)), None),
            Err(error) => {
                (None, Some(format!("containers that run already are not seen: no cgroups to look at: {error}")))
            }
        };
        let here = Here { tree: tree.clone(), states: States::new(states) };
        pipeline.containers.set_machine(Box::new(here));
        if let Some(tree) = tree {
            tree.walk(&mut |cgroup, path, made| {
                pipeline.containers.made(cgroup, path, made);
            });
        }
        self.tell(pipeline);
        wrong
    }

    /// One turn of the reader. `now`: ns since boot.
    pub fn turn(&mut self, pipeline: &mut Pipeline, now: u64) {
        if let Some(enrichment) = &self.enrichment {
            for (id, metadata) in enrichment.answers.try_iter() {
                pipeline.answer(&id, metadata);
            }
            for question in pipeline.containers.take_questions() {
                match enrichment.questions.try_send(question) {
                    Ok(()) => {}
                    // nobody will ask, so nobody is to wait
                    Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) => {
                        pipeline.answer(&question.id, None);
                    }
                }
            }
        }
        pipeline.settle(now);
        self.tell(pipeline);
    }

    /// Has the kernel side know what has changed.
    pub fn tell(&mut self, pipeline: &mut Pipeline) {
        let changes = pipeline.containers.take_changes();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            if let Err(error) = self.map.put(change) {
                self.refused = Some(format!("the kernel does not take what is known of a container: {error}"));
            }
        }
        self.config.containers_changed();
    }
}

/// What the core asks of this machine.
struct Here {
    tree: Option<Arc<Tree>>,
    states: States,
}

impl Machine for Here {
    fn path(&mut self, cgroup: u64) -> Option<Vec<u8>> {
        self.tree.as_ref()?.path(cgroup)
    }

    fn runtime(&self, parent: &str, id: &str) -> Option<&'static str> {
        self.states.runtime(parent, id)
    }
}
