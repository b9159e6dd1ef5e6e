//! Runs the example service as a user runs it, and sends requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A running service; dropping this value kills it.
#[derive(Debug)]
pub struct Service {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    /// Host and port of the service.
    pub address: String,
}

/// Status and body of a response.
pub type Answered = (u16, Value);

impl Service {
    /// Starts `command` and waits until it prints its address.
    ///
    /// # Panics
    /// If it does not print an address.
    #[track_caller]
    pub fn start(command: &mut Command) -> Service {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("listening on http://");
        let address = address
            .unwrap_or_else(|| panic!("instead of its address, the service printed {said:?}"));
        Service {
            address: address.to_owned(),
            process,
            output,
        }
    }

    /// Opens a connection to the service; reads time out after a minute.
    ///
    /// # Panics
    /// If the service does not accept the connection.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// Sends a request with this head and body, and returns the response.
    ///
    /// # Panics
    /// If the response is not JSON.
    #[track_caller]
    pub fn ask(&self, head: &str, body: &[u8]) -> Answered {
        let mut stream = self.connect();
        let head = format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        answer(stream)
    }

    /// Sends a file and returns the response.
    ///
    /// # Panics
    /// As [`Service::ask`].
    #[track_caller]
    pub fn post(&self, path: &str, file: &[u8]) -> Answered {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Length: {}", file.len());
        self.ask(&head, file)
    }

    /// The process of the service.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the service ends; returns the exit code and the rest of its output.
    ///
    /// # Panics
    /// If the output cannot be read.
    #[track_caller]
    pub fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), said)
    }
}

/// Reads the whole response from a connection.
///
/// # Panics
/// If the response is not JSON.
#[track_caller]
pub fn answer(mut stream: TcpStream) -> Answered {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
