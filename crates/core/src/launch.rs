//! What a launcher of several processes says to each of them, by its environment variables.
//!
//! torchrun, mpirun and srun name the same things differently. The variables of mpirun count before
//! those of srun, because mpirun may start its own helpers by srun, whose variables reach the
//! processes.

use std::path::PathBuf;

use crate::{Error, Result};

/// The port of rank 0 if nothing names another, as in PyTorch.
const PORT: u16 = 29500;

/// The program that started the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// torchrun, or a script that sets the same variables.
    Torchrun,
    /// mpirun of Open MPI.
    OpenMpi,
    /// mpiexec of MPICH or Intel MPI.
    Mpich,
    /// srun of Slurm.
    Slurm,
}

impl Launcher {
    /// The command's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Launcher::Torchrun => "torchrun",
            Launcher::OpenMpi => "mpirun",
            Launcher::Mpich => "mpiexec",
            Launcher::Slurm => "srun",
        }
    }

    /// The variables that hold rank, number of processes, and both within the host.
    fn variables(self) -> [&'static str; 4] {
        match self {
            Launcher::Torchrun => ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"],
            Launcher::OpenMpi => [
                "OMPI_COMM_WORLD_RANK",
                "OMPI_COMM_WORLD_SIZE",
                "OMPI_COMM_WORLD_LOCAL_RANK",
                "OMPI_COMM_WORLD_LOCAL_SIZE",
            ],
            Launcher::Mpich => ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"],
            // SLURM_PROCID and SLURM_NTASKS are also set in a job script, where one process runs;
            // SLURM_STEP_NUM_TASKS only in what srun starts.
            Launcher::Slurm => [
                "SLURM_PROCID",
                "SLURM_STEP_NUM_TASKS",
                "SLURM_LOCALID",
                "SLURM_STEP_TASKS_PER_NODE",
            ],
        }
    }
}

/// One of the processes that a launcher has started together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// What started the process.
    pub launcher: Launcher,
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub world_size: usize,
    /// The number of this process among those of its host, from 0.
    pub local_rank: usize,
    /// The number of processes of this host.
    pub local_world_size: usize,
    /// Name or address of the host of rank 0.
    pub master_host: String,
    /// The port at which the processes find each other.
    pub master_port: u16,
    /// Whether the launcher itself serves the port, so that rank 0 must not.
    pub launcher_serves: bool,
    /// How often torchrun has restarted the processes.
    pub restart: usize,
    /// Where torchrun looks for the error message of this process.
    pub error_file: Option<PathBuf>,
}

impl Launch {
    /// Reads the environment of this process. `None` if no launcher has started it.
    ///
    /// # Errors
    /// If a variable is missing, is no number, or contradicts another. The message names them all.
    pub fn from_environment() -> Result<Option<Launch>> {
        Launch::read(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(variable: &Variables<'_>) -> Result<Option<Launch>> {
        let Some(launcher) = launcher(variable) else {
            return Ok(None);
        };
        let mut reader = Reader {
            launcher,
            variable,
            problems: Vec::new(),
        };
        let launch = reader.launch();
        if reader.problems.is_empty() {
            return Ok(Some(launch));
        }
        Err(Error::Launch {
            launcher: launcher.name(),
            problems: reader.problems,
        })
    }

    /// Whether this process is the only one.
    pub fn is_alone(&self) -> bool {
        self.world_size == 1
    }
}

type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The launcher whose variables are set.
fn launcher(variable: &Variables<'_>) -> Option<Launcher> {
    let is_set = |names: &[&str]| names.iter().any(|name| variable(name).is_some());
    let by_ranks = |launcher: &Launcher| is_set(&launcher.variables()[..2]);
    let slurm = || {
        let [rank, tasks, ..] = Launcher::Slurm.variables();
        (variable(rank).is_some() && variable(tasks).is_some()).then_some(Launcher::Slurm)
    };
    [Launcher::Torchrun, Launcher::OpenMpi, Launcher::Mpich]
        .into_iter()
        .find(by_ranks)
        .or_else(slurm)
}

/// Reads variables, and collects what is wrong with them.
struct Reader<'a> {
    launcher: Launcher,
    variable: &'a Variables<'a>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn launch(&mut self) -> Launch {
        let [rank, world, local_rank, local_world] = self.launcher.variables();
        let world_size = self.number(world);
        let local_world_size = match self.launcher {
            Launcher::Slurm => self.tasks_of_this_node(local_world),
            _ => self.number(local_world),
        };
        let launch = Launch {
            launcher: self.launcher,
            rank: self.number(rank),
            world_size,
            local_rank: self.number(local_rank),
            local_world_size,
            master_host: String::new(),
            master_port: self.port(),
            launcher_serves: self.text("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True"),
            restart: self
                .optional_number("TORCHELASTIC_RESTART_COUNT")
                .unwrap_or(0),
            error_file: self.text("TORCHELASTIC_ERROR_FILE").map(PathBuf::from),
        };
        if self.problems.is_empty() {
            self.compare((rank, launch.rank), (world, world_size));
            self.compare(
                (local_rank, launch.local_rank),
                (local_world, local_world_size),
            );
            if local_world_size > world_size {
                self.problems.push(format!(
                    "{local_world} is {local_world_size}, but there are only {world_size} processes \
                     ({world})"
                ));
            }
        }
        Launch {
            master_host: self.master_host(&launch),
            ..launch
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    fn number(&mut self, name: &str) -> usize {
        self.optional_number(name).unwrap_or_else(|| {
            if self.text(name).is_none() {
                self.problems.push(format!("{name} is not set"));
            }
            0
        })
    }

    /// The number `name`. `None` if it is not set, or is no number, which is then a problem.
    fn optional_number(&mut self, name: &str) -> Option<usize> {
        let text = self.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.problems
                .push(format!("{name} is {text:?}, which is not a number"));
        }
        number
    }

    fn compare(&mut self, (name, number): (&str, usize), (count_name, count): (&str, usize)) {
        if number >= count {
            self.problems.push(format!(
                "{name} is {number}, but it counts from 0 and must be below {count_name}, which is \
                 {count}"
            ));
        }
    }

    /// The number of Slurm's tasks on this node. `4(x2),3` means two nodes of 4 tasks and one of 3.
    fn tasks_of_this_node(&mut self, name: &str) -> usize {
        let node = self.number("SLURM_NODEID");
        let Some(list) = self.text(name) else {
            self.problems.push(format!("{name} is not set"));
            return 0;
        };
        let tasks = tasks_per_node(&list).and_then(|tasks| tasks.get(node).copied());
        tasks.unwrap_or_else(|| {
            let reason = format!("{name} is {list:?}, which has no node {node} (SLURM_NODEID)");
            self.problems.push(reason);
            0
        })
    }

    fn port(&mut self) -> u16 {
        const NAME: &str = "MASTER_PORT";
        let Some(text) = self.text(NAME) else {
            return match self.launcher {
                Launcher::Torchrun => {
                    self.problems.push(format!("{NAME} is not set"));
                    0
                }
                Launcher::OpenMpi | Launcher::Mpich => PORT,
                Launcher::Slurm => self.port_of_step(),
            };
        };
        match text.parse() {
            Ok(port) if port > 0 => port,
            _ => {
                self.problems.push(format!(
                    "{NAME} is {text:?}, which is not a port (1 to 65535)"
                ));
                0
            }
        }
    }

    /// A port that all tasks of a step of Slurm agree on, and that differs between jobs.
    fn port_of_step(&mut self) -> u16 {
        let ids = ["SLURM_JOB_ID", "SLURM_STEP_ID"].map(|name| self.optional_number(name));
        let sum: usize = ids.into_iter().flatten().sum();
        u16::try_from(sum % 10_000).map_or(PORT, |offset| 20_000 + offset)
    }

    fn master_host(&mut self, launch: &Launch) -> String {
        const NAME: &str = "MASTER_ADDR";
        if let Some(host) = self.text(NAME) {
            return host;
        }
        let is_one_host = launch.local_world_size == launch.world_size;
        if is_one_host && self.launcher != Launcher::Torchrun {
            return "127.0.0.1".to_owned();
        }
        let first = match self.launcher {
            Launcher::Slurm => self
                .text("SLURM_STEP_NODELIST")
                .map(|list| first_host(&list)),
            _ => None,
        };
        first.unwrap_or_else(|| {
            self.problems
                .push(format!("{NAME} (the host of rank 0) is not set"));
            String::new()
        })
    }
}

/// The tasks of each node, from Slurm's short form.
fn tasks_per_node(list: &str) -> Option<Vec<usize>> {
    let mut tasks = Vec::new();
    for part in list.split(',') {
        let (count, nodes) = match part.strip_suffix(')').and_then(|p| p.split_once("(x")) {
            Some((count, nodes)) => (count, nodes.parse().ok()?),
            None => (part, 1),
        };
        let count: usize = count.parse().ok()?;
        tasks.extend(std::iter::repeat_n(count, nodes));
    }
    Some(tasks)
}

/// The first host of Slurm's short form of a list: `node03` of `node[03-05,9],other`.
fn first_host(list: &str) -> String {
    let open = list.find('[').filter(|open| !list[..*open].contains(','));
    let Some((name, rest)) = open.and_then(|open| list.split_at_checked(open)) else {
        return list.split(',').next().unwrap_or_default().to_owned();
    };
    let (numbers, after) = rest.split_once(']').unwrap_or((rest, ""));
    let number = numbers.trim_start_matches('[').split(['-', ',']).next();
    let after = after.split(',').next().unwrap_or_default();
    format!("{name}{}{after}", number.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Launch>> {
        Launch::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn launch(variables: &[(&str, &str)]) -> Launch {
        read(variables).unwrap().unwrap()
    }

    fn problem(variables: &[(&str, &str)]) -> String {
        read(variables).unwrap_err().to_string()
    }

    const TORCHRUN: [(&str, &str); 6] = [
        ("RANK", "5"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_RANK", "1"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("MASTER_ADDR", "a.example"),
        ("MASTER_PORT", "4321"),
    ];

    #[test]
    fn a_plain_start_is_no_launch() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(
            read(&[("MASTER_ADDR", "a"), ("LOCAL_RANK", "0")]).unwrap(),
            None
        );
    }

    #[test]
    fn torchrun_says_all_and_serves_the_store_itself() {
        let by_hand = launch(&TORCHRUN);
        let expected = Launch {
            launcher: Launcher::Torchrun,
            rank: 5,
            world_size: 8,
            local_rank: 1,
            local_world_size: 4,
            master_host: "a.example".into(),
            master_port: 4321,
            launcher_serves: false,
            restart: 0,
            error_file: None,
        };
        assert_eq!(by_hand, expected);
        let elastic = [
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("TORCHELASTIC_ERROR_FILE", "/e/error.json"),
        ];
        let expected = Launch {
            launcher_serves: true,
            restart: 2,
            error_file: Some("/e/error.json".into()),
            ..expected
        };
        assert_eq!(launch(&[&TORCHRUN[..], &elastic].concat()), expected);
    }

    const SLURM: [(&str, &str); 8] = [
        ("SLURM_PROCID", "5"),
        ("SLURM_STEP_NUM_TASKS", "7"),
        ("SLURM_LOCALID", "1"),
        ("SLURM_NODEID", "1"),
        ("SLURM_STEP_TASKS_PER_NODE", "4,3"),
        ("SLURM_STEP_NODELIST", "node[07-08]"),
        ("SLURM_JOB_ID", "10042"),
        ("SLURM_STEP_ID", "3"),
    ];

    #[test]
    fn srun_names_the_first_host_and_gives_each_step_a_port() {
        let found = launch(&SLURM);
        let expected = Launch {
            launcher: Launcher::Slurm,
            rank: 5,
            world_size: 7,
            local_rank: 1,
            local_world_size: 3,
            master_host: "node07".into(),
            master_port: 20_045,
            launcher_serves: false,
            restart: 0,
            error_file: None,
        };
        assert_eq!(found, expected);
        let named = [("MASTER_ADDR", "x"), ("MASTER_PORT", "9")];
        let found = launch(&[&named[..], &SLURM].concat());
        assert_eq!((found.master_host.as_str(), found.master_port), ("x", 9));
    }

    #[test]
    fn a_job_script_of_slurm_is_one_process() {
        let script = [
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "8"),
            ("SLURM_LOCALID", "0"),
        ];
        assert_eq!(read(&script).unwrap(), None);
    }

    #[test]
    fn torchrun_counts_before_srun_which_started_it() {
        let both = [&TORCHRUN[..], &SLURM].concat();
        assert_eq!(launch(&both), launch(&TORCHRUN));
    }

    #[test]
    fn mpirun_on_one_host_needs_no_address() {
        let open = [
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        let found = launch(&[&open[..], &SLURM].concat());
        assert_eq!(
            (found.launcher, found.rank, found.world_size),
            (Launcher::OpenMpi, 1, 2)
        );
        assert_eq!(
            (found.master_host.as_str(), found.master_port),
            ("127.0.0.1", 29500)
        );
        let mpich = [
            ("PMI_RANK", "1"),
            ("PMI_SIZE", "4"),
            ("MPI_LOCALRANKID", "1"),
            ("MPI_LOCALNRANKS", "2"),
        ];
        assert!(problem(&mpich).contains("MASTER_ADDR (the host of rank 0) is not set"));
        let found = launch(&[&mpich[..], &[("MASTER_ADDR", "a")]].concat());
        assert_eq!(
            (found.launcher, found.local_world_size),
            (Launcher::Mpich, 2)
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let message = problem(&[("RANK", "x"), ("LOCAL_RANK", "0"), ("MASTER_PORT", "0")]);
        for part in [
            "environment of torchrun",
            "RANK is \"x\", which is not a number",
            "WORLD_SIZE is not set",
            "MASTER_PORT is \"0\", which is not a port (1 to 65535)",
            "MASTER_ADDR (the host of rank 0) is not set",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn numbers_that_contradict_each_other_are_refused() {
        let with = |name: &str, value: &'static str| {
            let changed = TORCHRUN.map(|(n, v)| if n == name { (n, value) } else { (n, v) });
            problem(&changed)
        };
        let message = with("RANK", "8");
        assert!(message.contains("RANK is 8, but it counts from 0 and must be below WORLD_SIZE"));
        assert!(with("LOCAL_RANK", "4").contains("LOCAL_RANK is 4"));
        let message = with("LOCAL_WORLD_SIZE", "9");
        assert!(
            message.contains("LOCAL_WORLD_SIZE is 9, but there are only 8"),
            "{message}"
        );
        let changed = SLURM.map(|(n, v)| {
            if n == "SLURM_NODEID" {
                (n, "2")
            } else {
                (n, v)
            }
        });
        assert!(problem(&changed).contains("which has no node 2"));
    }

    #[test]
    fn short_lists_of_slurm_are_read() {
        assert_eq!(tasks_per_node("4(x2),3"), Some(vec![4, 4, 3]));
        assert_eq!(tasks_per_node("2"), Some(vec![2]));
        assert_eq!(tasks_per_node("a"), None);
        for (list, first) in [
            ("node[03-05,9],other", "node03"),
            ("one,two[1-2]", "one"),
            ("rack[2]n", "rack2n"),
            ("alone", "alone"),
        ] {
            assert_eq!(first_host(list), first);
        }
    }
}
