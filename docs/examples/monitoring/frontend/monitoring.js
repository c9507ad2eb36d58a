"use strict";

const show = async () => {
	const health = await fetch("api/health");
	document.getElementById("health").value = health.ok ? "well" : "broken: " + (await health.text());
	if (!health.ok)
		return;
	const readings = await (await fetch("api/readings")).json();
	document.getElementById("readings").replaceChildren(...readings.slice(-20).map((reading) => {
		const line = document.createElement("li");
		line.textContent = `${reading.at} ${reading.host}: ${reading.value}`;
		return line;
	}));
};

document.getElementById("add").addEventListener("submit", async (event) => {
	event.preventDefault();
	const { host, value } = Object.fromEntries(new FormData(event.target));
	await fetch("api/readings", {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ host, value: Number(value) }),
	});
	show();
});

show();
