// SPDX-License-Identifier: Apache-2.0
// What Rust programs do, in the directory named, printed so that two runs can be compared; then, on
// the port named, a server that answers one line with one line.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

fn main() {
    let args: Vec<String> = env::args().collect();
    let count = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..300)
        .map(|_| {
            let count = count.clone();
            thread::spawn(move || *count.lock().unwrap() += 1)
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let path = format!("{}/rust", args[1]);
    fs::write(&path, "rust").unwrap();
    println!("{} {}", count.lock().unwrap(), fs::read_to_string(&path).unwrap());
    println!("{:?}", Command::new("sh").args(["-c", "echo child; exit 3"]).output().unwrap());
    println!("{:?}", Command::new("/nowhere").output().map_err(|e| e.kind()).err());
    println!("{}", thread::spawn(|| panic!("expected")).join().is_err());
    let listener = TcpListener::bind(format!("127.0.0.1:{}", args[2])).unwrap();
    println!("serving");
    for stream in listener.incoming() {
        thread::spawn(move || {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let _ = stream.write_all(line.to_uppercase().as_bytes());
        });
    }
}
