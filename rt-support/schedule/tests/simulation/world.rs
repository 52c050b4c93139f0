// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A processor with a virtual clock: it enters the executive when an alarm is due or a job has
//! something to say, and lets time pass in between, for the task that was chosen.
//!
//! Overheads are what the analysis assumes: each job needs `job_ns` more than its budget says (the
//! executive is given the sum), each release and each replenishment costs `interrupt_ns` that
//! nobody has, and an entry that an alarm asks for may come `blocking_ns` late, while whoever
//! runs goes on.

use super::random::Random;
use super::scenarios::{Behaviour, Scenario};
use super::sets::TaskSet;
use wasm_aot_schedule::{Class, Executive, NEVER, Notice, Parameters, Policy, TaskId};

/// Places: 20 tasks, one in the background, and some to spare.
const PLACES: usize = 24;

/// What a task's job is about to do.
#[derive(Clone, Copy)]
struct Job {
    /// Processor time until it has something to say.
    left: u64,
    /// It then sleeps so long, or is done.
    sleep: Option<u64>,
}

const ENDLESS: Job = Job {
    left: NEVER,
    sleep: None,
};

pub struct World<'s> {
    executive: Box<Executive<PLACES>>,
    set: &'s TaskSet,
    scenario: Scenario,
    random: Random,
    jobs: [Job; PLACES],
    /// When a server has work next.
    arrivals: Vec<u64>,
    running: Option<TaskId>,
    alarm: u64,
    now: u64,
    /// Missed deadlines of each periodic task.
    pub misses: Vec<u64>,
    /// Servers whose work took longer than their deadline. Only of the first work, which finds a
    /// whole budget, does that say anything.
    pub late_work: Vec<bool>,
    pub entries: u64,
}

impl<'s> World<'s> {
    pub fn new(policy: Policy, set: &'s TaskSet, scenario: Scenario) -> Self {
        let mut executive = Box::new(Executive::new(policy, 1_000_000));
        executive.set_wake_cost(set.overheads.interrupt_ns + set.overheads.blocking_ns);
        for (task, &offset) in set.tasks.iter().zip(&scenario.offsets) {
            let mut parameters = task.parameters;
            parameters.budget += set.overheads.job_ns;
            // What does not fit into its deadline with the overheads is tried all the same.
            parameters.deadline = parameters.deadline.max(parameters.budget);
            parameters.period = parameters.period.max(parameters.deadline);
            let id = executive.add(parameters).expect("a place and valid times");
            let first = match parameters.class {
                Class::Periodic => offset,
                _ => 0,
            };
            executive.start(id, first);
        }
        let idle = executive.add(Parameters::BACKGROUND).expect("a place");
        executive.start(idle, 0);
        executive.wake(idle, 0);
        let arrivals = (0..set.tasks.len())
            .map(|place| match set.tasks[place].parameters.class {
                Class::Periodic => NEVER,
                _ => scenario.early_work[place].unwrap_or(scenario.offsets[place]),
            })
            .collect();
        Self {
            executive,
            set,
            random: Random::new(scenario.seed),
            scenario,
            jobs: [ENDLESS; PLACES],
            arrivals,
            running: None,
            alarm: 0,
            now: 0,
            misses: vec![0; set.tasks.len()],
            late_work: vec![false; set.tasks.len()],
            entries: 0,
        }
    }

    /// Lets time pass until then, or until a task for which `stop` says so has missed a deadline.
    pub fn run(&mut self, until: u64, stop: impl Fn(usize) -> bool) {
        let stopped = |misses: &[u64]| (0..misses.len()).any(|at| misses[at] > 0 && stop(at));
        while self.now < until && !stopped(&self.misses) {
            self.pass();
            self.enter();
        }
    }

    /// The longest response of a task, in nanoseconds.
    pub fn response_max_ns(&self, place: usize) -> u64 {
        self.executive
            .counters(TaskId(place as u16))
            .response
            .max_ns()
    }

    /// Jobs that a task was released.
    pub fn releases(&self, place: usize) -> u64 {
        self.executive.counters(TaskId(place as u16)).releases
    }

    /// The processor time of a task, in nanoseconds.
    pub fn processor_ns(&self, place: usize) -> u64 {
        self.executive.counters(TaskId(place as u16)).processor_ns
    }

    /// What is known of the time that a task has in each period, in nanoseconds.
    pub fn budget_ns(&self, place: usize) -> u64 {
        self.set.tasks[place].parameters.budget + self.set.overheads.job_ns
    }

    /// Time passes until somebody has something to say.
    fn pass(&mut self) {
        let arrival = self.arrivals.iter().copied().min().unwrap_or(NEVER);
        let said = match self.running {
            Some(id) => self.now.saturating_add(self.jobs[usize::from(id.0)].left),
            None => NEVER,
        };
        let due = self.alarm.min(arrival).max(self.now);
        let next = said
            .min(due.saturating_add(self.lateness(due)))
            .max(self.now);
        if let Some(id) = self.running {
            let left = &mut self.jobs[usize::from(id.0)].left;
            if *left != NEVER {
                *left -= next - self.now;
            }
        }
        self.now = next;
    }

    /// How much later than that an entry comes.
    fn lateness(&mut self, due: u64) -> u64 {
        let blocking = self.set.overheads.blocking_ns;
        if self.scenario.blocked_at == Some(due) {
            self.scenario.blocked_at = None;
            return blocking;
        }
        // An interrupt that came in an entry is taken as soon as somebody runs.
        if !self.scenario.late || due <= self.now {
            return 0;
        }
        // How late a budget's end is seen is in the overhead of its job.
        let left = self.running.map_or(0, |id| self.executive.budget_left(id));
        let limit = match left {
            0 => blocking,
            left => blocking.min((self.now + left).saturating_sub(due)),
        };
        self.random.between(0, limit)
    }

    fn enter(&mut self) {
        self.entries += 1;
        let now = self.now;
        if let Some(id) = self.running {
            self.speak(id);
        }
        for place in 0..self.arrivals.len() {
            if self.arrivals[place] <= now {
                self.arrive(place);
            }
        }
        let mut notices = Vec::new();
        self.executive
            .advance(now, &mut |notice| notices.push(notice));
        for notice in &notices {
            match *notice {
                Notice::Released(id) => self.jobs[usize::from(id.0)] = self.job(usize::from(id.0)),
                Notice::Missed(id, _) => self.misses[usize::from(id.0)] += 1,
                _ => {}
            }
        }
        self.now = now + self.cost(&notices);
        let decision = self.executive.decide(self.now);
        self.running = decision.run;
        self.alarm = decision.alarm.unwrap_or(NEVER);
    }

    /// What the entry costs nobody but the executive.
    fn cost(&self, notices: &[Notice]) -> u64 {
        let interrupt = self.set.overheads.interrupt_ns;
        let budgets = notices.iter().filter(|notice| match notice {
            Notice::Released(_) | Notice::Skipped(_) => true,
            Notice::Replenished(id) => self.class(usize::from(id.0)) == Class::Server,
            _ => false,
        });
        let woken = notices
            .iter()
            .any(|notice| matches!(notice, Notice::Woken(_)));
        // What is woken in an entry that is for a budget is in the time of that.
        interrupt * (budgets.count() as u64).max(u64::from(woken))
    }

    /// The job that runs says what it has to say, if it has come there.
    fn speak(&mut self, id: TaskId) {
        let place = usize::from(id.0);
        let job = self.jobs[place];
        if job.left > 0 {
            return;
        }
        if let Some(time) = job.sleep {
            self.executive.sleep(id, self.now, self.now + time);
            self.jobs[place] = match self.scenario.behaviours[place] {
                Behaviour::Deferring => ENDLESS,
                _ => self.job(place),
            };
            return;
        }
        let parameters = &self.set.tasks[place].parameters;
        let released = self
            .executive
            .job_released_at(id)
            .expect("the job of who runs");
        let deadline = parameters.deadline;
        if self.now - released > deadline && deadline < self.budget_ns(place) {
            // The executive was told a later one.
            self.misses[place] += 1;
        }
        if parameters.class == Class::Server {
            self.late_work[place] |= self.now - released > deadline;
            self.arrivals[place] = match self.scenario.behaviours[place] {
                _ if self.scenario.early_work[place].take().is_some() => {
                    self.scenario.offsets[place]
                }
                Behaviour::Some => self.now + self.random.between(1, 2 * parameters.period),
                _ => self.now,
            };
        }
        self.executive.complete(id, self.now);
    }

    /// A server has work.
    fn arrive(&mut self, place: usize) {
        self.arrivals[place] = NEVER;
        self.jobs[place] = match self.scenario.early_work[place] {
            Some(_) => Job {
                left: 1,
                sleep: None,
            },
            None => self.job(place),
        };
        self.executive.wake(TaskId(place as u16), self.now);
    }

    /// What the next job of a task does, or the next part of it.
    fn job(&mut self, place: usize) -> Job {
        let budget = self.budget_ns(place);
        let period = self.set.tasks[place].parameters.period;
        let (left, sleep) = match self.scenario.behaviours[place] {
            Behaviour::Whole => (budget, None),
            Behaviour::Some => (self.random.between(1, budget), None),
            Behaviour::Endless => (NEVER, None),
            Behaviour::Deferring => (1, Some((period - budget).max(1))),
            Behaviour::Sleepy => (
                self.random.between(1, budget),
                Some(self.random.between(1, period)),
            ),
        };
        Job { left, sleep }
    }

    fn class(&self, place: usize) -> Class {
        self.set.tasks[place].parameters.class
    }
}
